//! Tests of the whole crate: samples, the walk of one command, and laws over random judgements and times.

mod digest;
mod holds;
mod laws;
mod model;
mod plane;
mod samples;
mod walk;

/// Fails to compile if one of these can be cloned: `check` would then be ambiguous.
#[test]
fn what_opens_the_gate_cannot_be_copied() {
    trait Ambiguous<A> {
        fn check() {}
    }
    impl<T> Ambiguous<()> for T {}
    impl<T: Clone> Ambiguous<u8> for T {}
    <crate::Permit as Ambiguous<_>>::check();
    <crate::Cleared as Ambiguous<_>>::check();
    <crate::Decided as Ambiguous<_>>::check();
    <crate::Session as Ambiguous<_>>::check();
    <crate::Held as Ambiguous<_>>::check();
    <crate::Waiting as Ambiguous<_>>::check();
    <crate::Intended as Ambiguous<_>>::check();
    <crate::Claiming as Ambiguous<_>>::check();
    <crate::claim::ClaimProof as Ambiguous<_>>::check();
    <crate::HoldAnswer as Ambiguous<_>>::check();
    <crate::Spent as Ambiguous<_>>::check();
    <crate::kept::Custody as Ambiguous<_>>::check();
    <hoop_audit::Receipt as Ambiguous<_>>::check();
}
