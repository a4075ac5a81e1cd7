//! HTTP as the gateway sees it: canonical targets, intents, header hygiene, native refusals.
//!
//! Here lives everything that is decided on a parsed head: what a request asks, whether it can be read in one way
//! only, which header fields go on, how a response is masked, and how a refusal is told to an HTTP client. What must
//! not live here: sockets, hyper, the transport of bodies, tokens' meaning, policy. Whoever reads bytes from the network
//! hands over `http` types, and whoever writes them takes `http` types back.
//!
//! ```text
//!   method, uri, headers ──► Route::of ──► /c/NAME/rest        whose request is it
//!                               │
//!                               ▼
//!                        RequestHead::read ──► Refusal ──► problem()        400, 401, 403, …
//!                          │  target   (one canonical form)
//!                          │  framing  (one reading of the length)
//!            intent() ◄────┤
//!      what policy judges  └──► forwarded() ──► to_upstream() ──► backend ──► from_upstream() ──► caller
//!                                  │  built fresh from what was judged           nothing hop-by-hop
//!                                  └► content()
//!                                     what people release
//!
//!   Place::clear() before all of it, Credential::inject() after all of it: nothing between has the credential
//! ```

mod bearer;
pub mod content;
mod credential;
mod escape;
mod fields;
mod framing;
mod head;
mod intent;
pub mod mask;
mod problem;
mod route;
mod target;
mod upstream;

pub use bearer::bearer;
pub use content::{MAX_REVIEW_BYTES, readable, reviewed};
pub use credential::{Credential, Place, Unfit};
pub use escape::MalformedTarget;
pub use framing::Framing;
pub use head::RequestHead;
pub use head::patience::Patience;
pub use problem::{REFUSAL_FIELD, held, problem, status};
pub use route::Route;
pub use target::{MAX_TARGET_BYTES, Target};
pub use upstream::{Forwarded, InvalidLoopToken, LoopToken, comes_back, from_upstream};
