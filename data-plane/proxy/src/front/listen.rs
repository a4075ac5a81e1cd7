//! Listeners: one per shard on one address, between which the kernel spreads connections (`SO_REUSEPORT`, socket(7)).

use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::{SocketAddr, TcpListener};

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 1024;

/// Binds `shards` listeners to one address. With port 0 the first finds a port for all.
pub(crate) fn bind(address: SocketAddr, shards: usize) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = bind_one(address)?;
    let address = first.local_addr()?;
    let others = (1..shards).map(|_| bind_one(address));
    let listeners = std::iter::once(Ok(first)).chain(others).collect::<io::Result<_>>()?;
    Ok((address, listeners))
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_shard_listens_on_the_same_port() {
        let (address, listeners) = super::bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        assert_ne!(address.port(), 0);
        assert!(listeners.iter().all(|listener| listener.local_addr().unwrap() == address));
        assert_eq!(listeners.len(), 3);
    }
}
