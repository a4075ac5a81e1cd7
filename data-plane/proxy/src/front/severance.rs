//! Ending a caller's connection from outside, for what must end although its caller does not read, or its backend does not
//! answer.

use std::rc::Rc;
use tokio::sync::Notify;

/// One request's connection, as far as it can be ended.
#[derive(Debug, Clone)]
pub(crate) struct Severance(Rc<Notify>);

impl Severance {
    /// Makes one for a connection.
    pub(crate) fn new() -> Self {
        Self(Rc::new(Notify::new()))
    }

    /// Ends the connection, and with it everything that is exchanged over it.
    pub(crate) fn sever(&self) {
        self.0.notify_one();
    }

    /// Returns when the connection is to end.
    pub(crate) async fn severed(&self) {
        self.0.notified().await;
    }
}
