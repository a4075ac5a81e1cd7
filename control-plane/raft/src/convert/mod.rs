//! Proposals, replies and states as the bytes of the contract, one module per direction.

mod admin;
mod approval;
mod decode;
mod encode;
mod evidence;
mod reply;
mod skipped;

pub(crate) use decode::{Undecodable, proposal as decode_proposal, state as decode_state};
pub(crate) use encode::{proposal as encode_proposal, state as encode_state};
