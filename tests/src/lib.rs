//! The product as a user would start it: real processes, real clients, and a backend that keeps every byte it gets.
//!
//! Here lives what the suites in `tests/` share. Nothing here knows the product's insides but the format of its
//! evidence, which is read with the crate that everybody reads it with. Nothing here decides what is right: suites do.
//!
//! ```text
//!   stage     one gateway with its surroundings, ready to be used
//!    ├ cluster   control plane, data plane, hoopctl: processes, configuration files, ports
//!    ├ backend   answers JSON, keeps every byte per connection
//!    ├ issuer    discovery, keys, tokens of every kind, forged ones too
//!    └ certs     certificates that are right, and certificates that are wrong
//!   client    bytes on a socket        tools     curl, Python, strace, nginx
//!   evidence  the spool, verified      canary    what must be nowhere, in any encoding
//!   tracer    faults at named system calls of a running process; small disks
//!   metrics   what a process counts, as Prometheus reads it
//!   poll      the only place that waits
//! ```

pub mod backend;
pub mod canary;
pub mod certs;
pub mod client;
pub mod cluster;
pub mod collector;
pub mod evidence;
pub mod issuer;
pub mod metrics;
pub mod people;
pub mod poll;
pub mod process;
pub mod stage;
pub mod tools;
pub mod tracer;
