//! Rules by example, laws by random histories.

mod laws;
mod rules;
pub(crate) mod support;
