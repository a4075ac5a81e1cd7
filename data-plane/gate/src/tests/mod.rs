//! Tests of the whole crate: samples, the walk of one command, and laws over random judgements and times.

mod laws;
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
    <hoop_audit::Receipt as Ambiguous<_>>::check();
}
