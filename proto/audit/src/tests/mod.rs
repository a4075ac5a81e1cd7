//! Tests of the whole crate: samples, what tampering does, and laws over random input.

mod laws;
mod samples;
mod tampering;
