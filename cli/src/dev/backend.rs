//! The demo backend: a small JSON service that asks for a key, and remembers every request it saw.

use super::serve::{json, serve};
use hoop_model::spec::Origin;
use serde_json::json;
use std::sync::{Arc, Mutex, PoisonError};

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
                ("GET", "/orders/7") => json(200, &json!({"id": 7, "state": "open", "items": 3})),
                ("GET", "/notes/1") => json(200, &json!({"id": 1, "text": "restock before Friday"})),
                ("PATCH", "/notes/1") => json(200, &json!({"id": 1, "saved": true})),
                ("PATCH", "/orders/7") => json(200, &json!({"id": 7, "state": "cancelled"})),
                ("DELETE", "/orders/7") => json(200, &json!({"deleted": 7})),
                _ => json(404, &json!({"error": "not found"})),
            }
        })
        .await?;
        Ok(Self { origin: Origin::parse(&format!("http://{address}"))?, key, seen })
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
