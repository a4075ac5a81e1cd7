//! What one connection's commands are sent with.

use super::source::CannotRead;
use crate::world::masking::Masking;
use arc_swap::ArcSwapOption;
use hoop_http::{Credential, Place, RequestHead};
use hoop_model::spec::{SecretSource, SecretValue};
use hoop_model::{Code, Refusal, ResourceName, Uid};
use hoop_policy::mask::MaskPlan;
use http::HeaderMap;
use http::request::Parts;
use std::sync::Arc;

/// A connection's credential. Its place changes with the connection only; its value also without a revision, when what is
/// kept on the node changes. HTTP/1.1 signs in with every request (RFC 9110 §11.1), so a change needs no new connection.
pub(crate) struct Supply {
    pub(crate) from: From,
    place: Place,
    masking: Masking,
    /// None: it cannot be had, and nothing is sent.
    ready: ArcSwapOption<Ready>,
}

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct From {
    pub(crate) secret: ResourceName,
    /// None: there is no such secret that this connection may use.
    pub(crate) source: Option<SecretSource>,
    /// The uid and generation of the Secret.
    pub(crate) version: Option<(Uid, u64)>,
}

struct Ready {
    value: SecretValue,
    credential: Credential,
    /// What is masked in answers, also what they echo of this value.
    plan: Arc<MaskPlan>,
}

impl Supply {
    /// Begins with what was found.
    pub(crate) fn new(from: From, (place, masking): (Place, Masking), found: Result<SecretValue, CannotRead>) -> Self {
        let supply = Self { from, place, masking, ready: ArcSwapOption::empty() };
        if let Err(error) = &found {
            supply.warn(error);
        }
        supply.ready.store(found.ok().and_then(|value| supply.prepare(value)));
        supply
    }

    /// Takes what is found by now; says so if it is something else.
    pub(crate) fn renew(&self, found: Result<SecretValue, CannotRead>) {
        let known = self.ready.load();
        match found {
            Ok(value) if known.as_ref().is_some_and(|ready| ready.value == value) => {}
            Ok(value) => {
                tracing::info!(secret = %self.from.secret, "the value of a secret has changed");
                self.ready.store(self.prepare(value));
            }
            Err(error) if known.is_some() => {
                self.warn(&error);
                self.ready.store(None);
            }
            Err(_) => {}
        }
    }

    fn warn(&self, error: &CannotRead) {
        let error = crate::control::chain(error);
        tracing::warn!(secret = %self.from.secret, %error, "a secret cannot be had; connections that need it refuse");
    }

    fn prepare(&self, value: SecretValue) -> Option<Arc<Ready>> {
        let credential = self.place.fill(&value).ok()?;
        let written: Vec<_> = credential.written().collect();
        let plan = self.masking.plan(&written);
        let plan = plan.inspect_err(|error| {
            tracing::warn!(secret = %self.from.secret, %error, "a secret cannot be kept out of answers; it is not sent");
        });
        Some(Arc::new(Ready { plan: plan.ok()?, value, credential }))
    }

    /// Clears the credential's place of what the caller put there.
    pub(crate) fn clear(&self, request: &RequestHead, headers: &mut HeaderMap) -> Result<(), Box<Refusal>> {
        self.place.clear(request, headers)
    }

    /// Returns whether there is something to send.
    pub(crate) fn check(&self) -> Result<(), Box<Refusal>> {
        if self.ready.load().is_some() { Ok(()) } else { Err(unavailable()) }
    }

    /// Writes the credential on a head that is sent at once; returns what is to be masked in the answer.
    pub(crate) fn inject(&self, head: &mut Parts) -> Result<Arc<MaskPlan>, Box<Refusal>> {
        let ready = self.ready.load();
        let ready = ready.as_ref().ok_or_else(unavailable)?;
        hoop_http::mask::request(&ready.plan, &head.method, &mut head.headers)?;
        ready.credential.inject(head)?;
        Ok(Arc::clone(&ready.plan))
    }
}

pub(crate) fn unavailable() -> Box<Refusal> {
    let sentence = "the gateway does not have the credential that the backend asks for";
    Box::new(Refusal::because(Code::CredentialUnavailable, sentence))
}
