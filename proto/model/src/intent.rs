//! What a caller asks, in the words policy judges.

use crate::ResourceName;
use std::borrow::Cow;

/// A typed value that policy may read. Strings compare byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A truth value.
    Bool(bool),
    /// A 64-bit signed integer.
    Long(i64),
    /// A text.
    Text(Box<str>),
    /// A set; order and repetition carry no meaning.
    Set(Vec<Value>),
    /// Named values, sorted by name, each name once.
    Record(Vec<(Cow<'static, str>, Value)>),
}

/// The attributes of one command that policy may read: name and value, sorted by name, each name once.
pub type Context = Vec<(Cow<'static, str>, Value)>;

/// What an effect touches, inside the connection the session is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The connection as a whole.
    Connection,
    /// A route that the connection declares.
    Route(ResourceName),
}

/// One (action, resource) pair that a command would have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Effect {
    /// The action's id without its type, for example `http:GET`.
    pub action: Cow<'static, str>,
    /// What it touches.
    pub target: Target,
}

/// A parsed command: its effects and what policy may know about it.
///
/// An intent without effects is refused by whoever judges it: no effect must not mean no objection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intent {
    /// Every effect the command would have.
    pub effects: Vec<Effect>,
    /// The attributes policy may read.
    pub context: Context,
    /// One line that names the command to people, without values that could be sensitive: `GET /orders/7`.
    pub summary: Box<str>,
}
