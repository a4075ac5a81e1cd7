//! Tests of the whole crate: samples, what tampering does, and laws over random input.

mod evidence;
mod golden;
mod laws;
mod log;
mod samples;
mod segments;
mod store;
mod tampering;
