//! The demo's job: one keep-alive connection to the gateway, one token.

use anyhow::{Context, bail};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A job with an open connection.
pub(super) struct Job {
    gateway: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
}

/// What the job saw.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    /// Returns the refusal's machine-readable code, or nothing.
    pub(super) fn code(&self) -> &str {
        self.body.get("code").and_then(Value::as_str).unwrap_or_default()
    }
}

impl Job {
    /// Connects to the gateway.
    pub(super) async fn connect(gateway: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(gateway).await.context("connect to the gateway")?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.context("speak HTTP to the gateway")?;
        tokio::spawn(connection);
        Ok(Self { gateway, sender })
    }

    /// Sends one request and reads the whole answer.
    pub(super) async fn send(&mut self, method: &str, path: &str, token: &str, body: &str) -> anyhow::Result<Answer> {
        self.send_with(method, path, token, (body, &[])).await
    }

    /// Sends one request with more fields and reads the whole answer.
    pub(super) async fn send_with(
        &mut self,
        method: &str,
        path: &str,
        token: &str,
        (body, more): (&str, &[(&str, &str)]),
    ) -> anyhow::Result<Answer> {
        if self.sender.ready().await.is_err() {
            *self = Self::connect(self.gateway).await?;
        }
        let mut request = hyper::Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.gateway.to_string())
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        for (name, value) in more {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body.to_owned())))?;
        let response = self.sender.send_request(request).await.context("send a request")?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await.context("read the answer")?.to_bytes();
        let Ok(body) = serde_json::from_slice(&bytes) else {
            bail!("the answer is not JSON: {}", String::from_utf8_lossy(&bytes));
        };
        Ok(Answer { status, body })
    }
}
