//! The demo backend: a small JSON service that asks for a key, and remembers every request it saw.

use super::serve::{json, serve};
use hoop_model::spec::Origin;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};

/// Whose order it is.
const CUSTOMER: &str = "ada.lovelace@example.org";
/// What it was paid with: a number for tests that no issuer gives out.
const CARD: &str = "4242 4242 4242 4242";
/// What a partner's service would let in.
const PARTNER_KEY: &str = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";

/// An order, with what such services tend to have in them: nested, in free text, and in JSON inside a string.
fn order(state: &str) -> serde_json::Value {
    json!({
        "id": 7,
        "state": state,
        "customer": {"email": CUSTOMER, "payment": {"card": CARD, "card_holder": "A. Lovelace"}},
        "comment": format!("call back {CUSTOMER}, the card {CARD} was declined once"),
        "partner": json!({"url": "https://partner.example.com", "token": PARTNER_KEY}).to_string(),
    })
}

/// A running demo backend.
pub(super) struct DemoBackend {
    origin: Origin,
    key: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl DemoBackend {
    /// Serves the data set.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        let key = hex::encode(hoop_node::random::<16>());
        let expected = format!("Bearer {key}");
        let address = serve(move |request| {
            let line = format!("{} {}", request.method(), request.uri());
            record.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            if request.headers().get("authorization").is_none_or(|sent| sent != expected.as_str()) {
                return json(401, &json!({"error": "no key, or another one"}));
            }
            match (request.method().as_str(), request.uri().path()) {
                ("GET", "/") => json(200, &json!({"service": "react", "resources": ["/orders/7", "/notes/1"]})),
                ("GET", "/orders/7") => json(200, &order("open")),
                ("GET", "/notes/1") => {
                    json(200, &json!({"id": 1, "text": format!("restock before Friday; ask {CUSTOMER}")}))
                }
                ("PATCH", "/notes/1") => json(200, &json!({"id": 1, "saved": true})),
                ("PATCH", "/orders/7") => json(200, &order("cancelled")),
                ("DELETE", "/orders/7") => json(200, &json!({"deleted": 7})),
                _ => json(404, &json!({"error": "not found"})),
            }
        })
        .await?;
        Ok(Self { origin: Origin::parse(&format!("http://{address}"))?, key, seen })
    }

    /// Returns the values that a job must not see.
    pub(super) fn sensitive(&self) -> [&str; 4] {
        [CUSTOMER, CARD, PARTNER_KEY, &self.key]
    }

    /// Returns where it is.
    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Returns what it lets in.
    pub(super) fn key(&self) -> &str {
        &self.key
    }

    /// Returns every request line it saw since the last call.
    pub(super) fn take_seen(&self) -> Vec<String> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
