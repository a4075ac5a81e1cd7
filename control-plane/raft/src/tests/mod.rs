//! A single voter on a real file.

mod approvals;
mod conversions;
mod damage;
mod durability;
mod replica;
mod support;
