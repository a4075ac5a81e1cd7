//! Rules by example, laws by random histories.

mod administration;
mod approval_laws;
mod approval_limits;
pub(crate) mod approval_support;
mod approvals;
mod evidence;
mod evidence_laws;
mod laws;
mod people;
mod rules;
pub(crate) mod secrets;
pub(crate) mod support;
