//! The device authorization grant (RFC 8628): a person signs in with a browser, wherever it is, and this program waits.

use anyhow::{Context, bail, ensure};
use hoop_model::Redacted;
use hoop_node::issuer::{get, post_form, tls};
use http::StatusCode;
use rustls::ClientConfig;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// RFC 8628 §3.4.
const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// How long to wait between two questions where the issuer does not say (RFC 8628 §3.2).
const INTERVAL: u64 = 5;
/// By how much to wait longer when the issuer says `slow_down` (RFC 8628 §3.5).
const SLOWER: Duration = Duration::from_secs(5);
/// Longest a person may take, whatever the issuer says.
const LONGEST: Duration = Duration::from_secs(1800);

/// What is read of a discovery document (RFC 8628 §4).
#[derive(Deserialize)]
struct Endpoints {
    issuer: String,
    device_authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
}

/// RFC 8628 §3.2.
#[derive(Deserialize)]
struct Authorization {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

#[derive(Deserialize)]
struct Tokens {
    id_token: Option<String>,
    access_token: Option<String>,
}

/// RFC 6749 §5.2.
#[derive(Deserialize)]
struct Problem {
    error: String,
}

/// What an answer of the token endpoint means for whoever waits.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Got(String),
    Wait,
    WaitLonger,
    Over(&'static str),
}

/// Signs a person in; returns the token that stands for them.
pub(super) async fn token(
    issuer: &str,
    client_id: &str,
    scopes: &[String],
    ca: Option<&str>,
) -> anyhow::Result<Redacted<String>> {
    let tls = tls::client(ca, &tls::system_roots()).context("read the issuer's certificates")?;
    let (authorize, exchange) = endpoints(issuer, &tls).await?;
    let scope = scopes.join(" ");
    let form = [("client_id", client_id), ("scope", scope.as_str())];
    let (status, answer) = post_form(&authorize, &tls, &form).await.context("ask the issuer for a code")?;
    ensure!(status == StatusCode::OK, "the issuer gives no code: {status}");
    let given: Authorization = serde_json::from_slice(&answer).context("read the issuer's code")?;
    show(&given);
    let until = Instant::now() + Duration::from_secs(given.expires_in).min(LONGEST);
    let mut pause = Duration::from_secs(given.interval.unwrap_or(INTERVAL).clamp(1, 60));
    let form = [("grant_type", GRANT), ("device_code", given.device_code.as_str()), ("client_id", client_id)];
    while Instant::now() + pause < until {
        tokio::time::sleep(pause).await;
        let Ok((status, answer)) = post_form(&exchange, &tls, &form).await else {
            // RFC 8628 §3.5: on a failed connection the client waits longer.
            pause += SLOWER;
            continue;
        };
        match step(status, &answer) {
            Step::Got(token) => return Ok(Redacted::new(token)),
            Step::Wait => {}
            Step::WaitLonger => pause += SLOWER,
            Step::Over(why) => bail!("nobody is signed in: {why}"),
        }
    }
    bail!("nobody signed in within the time that the issuer gives")
}

async fn endpoints(issuer: &str, tls: &Arc<ClientConfig>) -> anyhow::Result<(String, String)> {
    let document = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
    let document = get(&document, tls).await.context("get the issuer's discovery document")?;
    let found: Endpoints = serde_json::from_slice(&document).context("read the issuer's discovery document")?;
    ensure!(found.issuer == issuer, "the discovery document names another issuer");
    let both = found.device_authorization_endpoint.zip(found.token_endpoint);
    let (authorize, exchange) = both.context("the issuer does not offer to sign in by device code (RFC 8628)")?;
    // An issuer that is known by TLS is not left for one that is not.
    let is_kept = |url: &String| !issuer.starts_with("https://") || url.starts_with("https://");
    ensure!(is_kept(&authorize) && is_kept(&exchange), "the issuer's endpoints are not `https`");
    Ok((authorize, exchange))
}

fn show(given: &Authorization) {
    let at = crate::shown::escape(&given.verification_uri);
    eprintln!("open {at} and enter the code {}", crate::shown::escape(&given.user_code));
    if let Some(whole) = &given.verification_uri_complete {
        eprintln!("or open {}", crate::shown::escape(whole));
    }
}

/// Reads an answer of the token endpoint (RFC 8628 §3.5).
fn step(status: StatusCode, answer: &[u8]) -> Step {
    if status == StatusCode::OK {
        let tokens: Option<Tokens> = serde_json::from_slice(answer).ok();
        let token = tokens.and_then(|tokens| tokens.id_token.or(tokens.access_token));
        return token.map_or(Step::Over("the issuer answers without a token"), Step::Got);
    }
    let problem: Option<Problem> = serde_json::from_slice(answer).ok();
    match problem.as_ref().map(|problem| problem.error.as_str()) {
        Some("authorization_pending") => Step::Wait,
        Some("slow_down") => Step::WaitLonger,
        Some("access_denied") => Step::Over("it was denied"),
        Some("expired_token") => Step::Over("the code expired"),
        Some(_) | None => Step::Over("the issuer refuses"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_of_the_token_endpoint_is_a_step() {
        let bad = StatusCode::BAD_REQUEST;
        for (status, answer, expected) in [
            (StatusCode::OK, r#"{"id_token":"i","access_token":"a"}"#, Step::Got("i".into())),
            (StatusCode::OK, r#"{"access_token":"a"}"#, Step::Got("a".into())),
            (StatusCode::OK, "{}", Step::Over("the issuer answers without a token")),
            (bad, r#"{"error":"authorization_pending"}"#, Step::Wait),
            (bad, r#"{"error":"slow_down"}"#, Step::WaitLonger),
            (bad, r#"{"error":"access_denied"}"#, Step::Over("it was denied")),
            (bad, r#"{"error":"expired_token"}"#, Step::Over("the code expired")),
            (bad, r#"{"error":"invalid_client"}"#, Step::Over("the issuer refuses")),
            (StatusCode::BAD_GATEWAY, "<html>", Step::Over("the issuer refuses")),
        ] {
            assert_eq!(step(status, answer.as_bytes()), expected, "{answer}");
        }
    }
}
