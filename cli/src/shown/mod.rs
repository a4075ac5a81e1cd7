//! How things are shown to people and to scripts: text that came from elsewhere, times, amounts, YAML.

mod amount;
mod moment;
mod text;
mod yaml;

pub(crate) use amount::{Bytes, Span};
pub(crate) use moment::{Moment, Utc};
pub(crate) use text::{escape, escape_json, printable};
pub(crate) use yaml::yaml;
