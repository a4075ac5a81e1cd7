//! The floor: two copies of 8 KiB at a time, one per direction.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

const BUFFER_BYTES: usize = 8 << 10;

/// Copies until the process is killed.
pub(crate) async fn copy(listen: SocketAddr, backend: SocketAddr) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    loop {
        let (client, _) = listener.accept().await?;
        let backend = TcpStream::connect(backend).await?;
        client.set_nodelay(true)?;
        backend.set_nodelay(true)?;
        let (from_client, to_client) = client.into_split();
        let (from_backend, to_backend) = backend.into_split();
        tokio::spawn(one_way(from_client, to_backend));
        tokio::spawn(one_way(from_backend, to_client));
    }
}

async fn one_way(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        to.write_all(&buffer[..count]).await?;
    }
}
