//! What hoop-policy promises: tables for the vocabulary and the verdicts, laws against a slow obvious evaluator.

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod compile;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod lints;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod reveal;
#[cfg(test)]
mod support;
#[cfg(test)]
mod teams;
#[cfg(test)]
mod verdicts;
