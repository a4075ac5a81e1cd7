//! Reading what an administrator sent: every value is parsed here once, and what is wrong is named.

use hoop_model::{Kind, ResourceName, Spec};
use hoop_state::{IdempotencyKey, Precondition, Reference, State};
use hoop_wire::{Malformed, v1};
use std::collections::BTreeSet;
use tonic::Status;

use crate::authorise::Caller;

/// Most documents in one apply.
const MAX_DOCUMENTS: usize = 10_000;

/// One document, read.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) name: ResourceName,
    pub(super) spec: Spec,
    pub(super) precondition: Precondition,
}

/// Reads the documents of one apply. Every one that is wrong is named.
pub(super) fn documents(documents: Vec<v1::Document>) -> Result<Vec<Document>, Status> {
    if !(1..=MAX_DOCUMENTS).contains(&documents.len()) {
        return Err(Status::invalid_argument(format!("`documents` must be 1 to {MAX_DOCUMENTS}")));
    }
    let (mut read, mut problems, mut given) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (index, written) in documents.into_iter().enumerate() {
        let shown = format!("document {}{}", index + 1, title(&written));
        match document(written) {
            Ok(document) => {
                if !given.insert((document.spec.kind(), document.name.clone())) {
                    problems.push(format!("{shown}: is given twice"));
                }
                read.push(document);
            }
            Err(malformed) => problems.push(format!("{shown}: {malformed}")),
        }
    }
    if problems.is_empty() { Ok(read) } else { Err(Status::invalid_argument(crate::reply::listed(&problems))) }
}

/// Says which document it is, in as far as it says so itself.
fn title(document: &v1::Document) -> String {
    let kind = document.spec.as_ref().and_then(|spec| spec.kind.as_ref()).map(|kind| match kind {
        v1::spec::Kind::Issuer(_) => Kind::Issuer,
        v1::spec::Kind::Identity(_) => Kind::Identity,
        v1::spec::Kind::Connection(_) => Kind::Connection,
        v1::spec::Kind::Policy(_) => Kind::Policy,
        v1::spec::Kind::Person(_) => Kind::Person,
        v1::spec::Kind::Secret(_) => Kind::Secret,
        v1::spec::Kind::DataClass(_) => Kind::DataClass,
        v1::spec::Kind::Role(_) => Kind::Role,
    });
    let name = crate::reply::shortened(&document.name, 80);
    match kind {
        Some(kind) => format!(" ({kind} `{}`)", name.escape_debug()),
        None => format!(" (`{}`)", name.escape_debug()),
    }
}

fn document(document: v1::Document) -> Result<Document, Malformed> {
    let name = hoop_wire::document_name(&document.name)?;
    let spec = document.spec.ok_or(Malformed { field: "spec", problem: "is missing" })?.try_into()?;
    Ok(Document { name, spec, precondition: precondition(document.precondition)? })
}

/// Reads a precondition; none asks nothing.
pub(super) fn precondition(written: Option<v1::Precondition>) -> Result<Precondition, Malformed> {
    let unclear = Malformed { field: "precondition", problem: "must be `absent: true` or a revision" };
    match written.map(|precondition| precondition.expect) {
        None => Ok(Precondition::Any),
        Some(Some(v1::precondition::Expect::Absent(true))) => Ok(Precondition::Absent),
        Some(Some(v1::precondition::Expect::Revision(revision))) => Ok(Precondition::At(revision.into())),
        Some(Some(v1::precondition::Expect::Absent(false)) | None) => Err(unclear),
    }
}

/// Reads which object is meant.
pub(super) fn target(kind: &str, name: &str) -> Result<Reference, Status> {
    let kind = hoop_wire::kind(kind).map_err(|malformed| invalid(&malformed))?;
    let name = hoop_wire::document_name(name).map_err(|malformed| invalid(&malformed))?;
    Ok(Reference { kind, name })
}

/// Reads an idempotency key; empty is none.
pub(super) fn key(written: &[u8]) -> Result<Option<IdempotencyKey>, Status> {
    if written.is_empty() {
        return Ok(None);
    }
    let key = IdempotencyKey::from_slice(written);
    key.map(Some).map_err(|_| Status::invalid_argument("`idempotency_key` must be 16 bytes, or empty"))
}

/// Returns whether a request under this key was answered already. Such a request is not judged again: it is proposed at
/// no base, so that the state can only answer as before, or reject it.
pub(super) fn is_remembered(state: &State, key: Option<IdempotencyKey>, caller: &Caller) -> bool {
    let scope = caller.scope();
    key.is_some_and(|key| state.remembered().any(|(caller, known, _)| caller == scope && known == key))
}

/// Answers a malformed message.
pub(super) fn invalid(malformed: &Malformed) -> Status {
    Status::invalid_argument(malformed.to_string())
}
