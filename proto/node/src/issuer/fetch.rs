//! One bounded request (JWT-16): no redirects, no cookies, no credentials, 5 s and 1 MiB at most.

use super::connect::{self, ConnectError};
use bytes::{Bytes, BytesMut};
use hoop_model::spec::{Origin, Scheme};
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// How long one fetch may take, from resolving the name to the last byte.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest document, in bytes.
const MAX_BYTES: usize = 1 << 20;

/// Says why a document could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Plaintext is for this machine only.
    #[error("not an absolute `https://` URL")]
    Insecure,
    /// There is no connection.
    #[error("cannot connect")]
    Connect(#[from] ConnectError),
    /// The server broke HTTP.
    #[error("the transfer failed")]
    Transfer(#[from] hyper::Error),
    /// The path cannot be asked for.
    #[error("the URL cannot be requested")]
    Url(#[from] http::Error),
    /// The server has something else, or points elsewhere.
    #[error("the status is {0}, not 200")]
    Status(StatusCode),
    /// The document is too large.
    #[error("larger than 1 MiB")]
    TooLarge,
    /// It took too long.
    #[error("not complete within 5 s")]
    TimedOut,
}

/// Gets a document.
///
/// # Errors
/// [`FetchError`] with the first thing that is wrong; every status but 200 is.
pub async fn get(url: &str, tls: &Arc<ClientConfig>) -> Result<Bytes, FetchError> {
    match ask(url, tls, None).await? {
        (StatusCode::OK, document) => Ok(document),
        (status, _) => Err(FetchError::Status(status)),
    }
}

/// Posts a form (`application/x-www-form-urlencoded`), and returns the answer of whatever status.
///
/// # Errors
/// [`FetchError`] with the first thing that is wrong.
pub async fn post_form(
    url: &str,
    tls: &Arc<ClientConfig>,
    form: &[(&str, &str)],
) -> Result<(StatusCode, Bytes), FetchError> {
    let encoded = form.iter().map(|(name, value)| format!("{}={}", form_encoded(name), form_encoded(value)));
    ask(url, tls, Some(encoded.collect::<Vec<_>>().join("&"))).await
}

/// Everything but the unreserved of RFC 3986 §2.3 as `%XX`, which every reader of forms takes.
fn form_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

async fn ask(url: &str, tls: &Arc<ClientConfig>, form: Option<String>) -> Result<(StatusCode, Bytes), FetchError> {
    tokio::time::timeout(FETCH_TIMEOUT, ask_unhurried(url, tls, form)).await.unwrap_or(Err(FetchError::TimedOut))
}

async fn ask_unhurried(
    url: &str,
    tls: &Arc<ClientConfig>,
    form: Option<String>,
) -> Result<(StatusCode, Bytes), FetchError> {
    let origin = Origin::of_url(url).map_err(|_| FetchError::Insecure)?;
    let path = path_of(url);
    match origin.scheme {
        Scheme::Http if origin.is_loopback() => exchange(&origin, path, form, connect::tcp(&origin).await?).await,
        Scheme::Http => Err(FetchError::Insecure),
        Scheme::Https => {
            let stream = connect::tcp(&origin).await?;
            exchange(&origin, path, form, connect::tls(&origin, tls, stream).await?).await
        }
    }
}

/// Everything behind the authority.
fn path_of(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or("", |(_, rest)| rest);
    let path = behind_scheme.find('/').and_then(|at| behind_scheme.get(at..));
    path.filter(|path| !path.is_empty()).unwrap_or("/")
}

async fn exchange<S>(
    origin: &Origin,
    path: &str,
    form: Option<String>,
    stream: S,
) -> Result<(StatusCode, Bytes), FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let request = match &form {
        None => Request::get(path),
        Some(_) => Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded"),
    };
    let request = request
        .header(header::HOST, origin.host_header())
        .header(header::ACCEPT, "application/json")
        .body(Full::new(Bytes::from(form.unwrap_or_default())))?;
    // The connection lives no longer than this exchange, whether it ends or is given up.
    let _driver = Abort(tokio::spawn(async move { drop(connection.await) }));
    let response = sender.send_request(request).await?;
    let status = response.status();
    let mut body = response.into_body();
    let mut document = BytesMut::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            if document.len().saturating_add(data.len()) > MAX_BYTES {
                return Err(FetchError::TooLarge);
            }
            document.extend_from_slice(&data);
        }
    }
    Ok((status, document.freeze()))
}

struct Abort(tokio::task::JoinHandle<()>);

impl Drop for Abort {
    fn drop(&mut self) {
        self.0.abort();
    }
}
