//! Tests of masking as protocols use it.

mod detectors;
mod json;
mod laws;
mod plan;
mod text;

use super::{Charset, JsonMasker, MaskKey, MaskPlan, MaskedCounts, TextMasker, Uninspectable};
use hoop_model::spec::{ClassName, DataClass};
use std::sync::Arc;

/// A number that every scheme's check digit is right for.
const CARD: &str = "4111111111111111";
/// HS256, `{"sub":"1234567890"}`, signed with `secret`.
const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.\
                   7cVqH3v0Q1d6nJ8wXk2m5p9s4u7y0a3b6c9d2e5f8g1";
const CREDENTIAL: &str = "CANARY-API/77aa?x=\"1\"&y";

fn key() -> MaskKey {
    MaskKey::new(&[7; 32])
}

fn class(json: &str) -> DataClass {
    let class: DataClass = serde_json::from_str(json).unwrap();
    class.check().unwrap();
    class
}

/// The built-in classes, and `pii.ssn` for fields of that name.
fn plan() -> Arc<MaskPlan> {
    let ssn = class(r#"{"class":"pii.ssn","recognise":{"fields":["ssn","tax-id"]},"transform":"redact"}"#);
    Arc::new(MaskPlan::compile(None, [&ssn], &[], key()).unwrap())
}

/// One class and nothing else.
fn only(json: &str) -> Arc<MaskPlan> {
    let class = class(json);
    Arc::new(MaskPlan::compile(Some(std::slice::from_ref(&class.class)), [&class], &[], key()).unwrap())
}

fn with_credential() -> Arc<MaskPlan> {
    Arc::new(MaskPlan::compile(None, [], &[CREDENTIAL.as_bytes()], key()).unwrap())
}

fn name(text: &str) -> ClassName {
    ClassName::parse(text).unwrap()
}

fn of_text(plan: &MaskPlan, text: &str) -> String {
    let masked = plan.mask_text(text.as_bytes(), &mut MaskedCounts::default());
    masked.map_or_else(|| text.to_owned(), |masked| String::from_utf8(masked).unwrap())
}

/// Masks JSON given in these chunks.
fn json_in<'c>(
    plan: &Arc<MaskPlan>,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Result<(Vec<u8>, MaskedCounts), Uninspectable> {
    let (mut masker, mut out) = (JsonMasker::new(Arc::clone(plan)), Vec::new());
    for chunk in chunks {
        masker.feed(chunk, &mut out)?;
    }
    masker.finish(&mut out)?;
    Ok((out, masker.counts().clone()))
}

fn of_json(plan: &Arc<MaskPlan>, json: &str) -> String {
    String::from_utf8(json_in(plan, [json.as_bytes()]).unwrap().0).unwrap()
}

/// Masks a text given in these chunks.
fn text_in<'c>(
    plan: &Arc<MaskPlan>,
    chunks: impl IntoIterator<Item = &'c [u8]>,
) -> Result<(Vec<u8>, MaskedCounts), Uninspectable> {
    let (mut masker, mut out) = (TextMasker::new(Arc::clone(plan), Charset::Utf8), Vec::new());
    for chunk in chunks {
        masker.feed(chunk, &mut out)?;
    }
    masker.finish(&mut out)?;
    Ok((out, masker.counts().clone()))
}
