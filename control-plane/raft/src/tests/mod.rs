//! A single voter on a real file.

mod conversions;
mod damage;
mod durability;
mod replica;
mod support;
