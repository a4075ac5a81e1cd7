//! Fields of a message whose body is masked.

use super::content::{Format, coding, format};
use super::{BodyMasker, Uninspectable};
use crate::fields::elements;
use hoop_model::{Code, Refusal};
use hoop_policy::mask::{Charset, MaskPlan, MaskedCounts};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

/// Fields that say how a message is read. They are inspected like all others, but a value in one of them cannot be
/// masked, because then it would say something else.
const STRUCTURAL: [HeaderName; 5] =
    [header::CONTENT_TYPE, header::CONTENT_ENCODING, header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::DATE];

/// Fields about the body as the backend sent it: its length, its digests and validators (a digest of a short body is as
/// good as the body), and that parts of it can be had.
const ABOUT_THE_ORIGINAL: [HeaderName; 10] = [
    header::CONTENT_LENGTH,
    header::ETAG,
    header::LAST_MODIFIED,
    header::ACCEPT_RANGES,
    header::CONTENT_RANGE,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("unencoded-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
];

/// A response whose head was masked.
#[derive(Debug)]
pub struct Masked {
    /// What its body must go through; `None` where it has none, or where the plan is empty.
    pub body: Option<BodyMasker>,
    /// What was masked in its head. What is masked in its body comes on top ([`BodyMasker::counts`]).
    pub counts: MaskedCounts,
}

/// Narrows a request to what can be masked when it is answered: the whole body (RFC 9110 §14.2), in gzip if the caller
/// reads that, or uncoded.
///
/// `If-None-Match` of a read goes, too: whoever reads has no validator, and is sent the whole answer.
///
/// # Errors
/// As [`conditions`].
pub fn request(plan: &MaskPlan, method: &Method, headers: &mut HeaderMap) -> Result<(), Box<Refusal>> {
    if plan.is_empty() {
        return Ok(());
    }
    conditions(plan, method, headers)?;
    headers.remove(header::RANGE);
    headers.remove(header::IF_RANGE);
    if method.is_safe() {
        headers.remove(header::IF_NONE_MATCH);
    }
    let reads_gzip = elements(headers, &header::ACCEPT_ENCODING).any(|element| {
        let mut parts = element.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let is_gzip = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case(b"gzip") || coding == b"*");
        is_gzip && !parts.any(is_zero_weight)
    });
    let narrowed = if reads_gzip { "gzip, identity" } else { "identity" };
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(narrowed));
    Ok(())
}

/// Looks at the conditions of a request (RFC 9110 §13.1). Callers are given no entity tag of what is masked, because many a
/// tag is a digest of the body; so they have none, and one that is guessed right would tell the body.
///
/// # Errors
/// [`Code::PreconditionFailed`] for `If-Match` with a tag, and for `If-None-Match` with a tag where something is to be
/// changed. Without the condition a write would be done that the caller made conditional.
pub fn conditions(plan: &MaskPlan, method: &Method, headers: &HeaderMap) -> Result<(), Box<Refusal>> {
    if plan.is_opted_out() {
        return Ok(());
    }
    let names_tag = |name| elements(headers, name).any(|element| element != b"*");
    if !names_tag(&header::IF_MATCH) && (method.is_safe() || !names_tag(&header::IF_NONE_MATCH)) {
        return Ok(());
    }
    let sentence = "answers are masked here and have no entity tag, so none can match; `*` can";
    Err(Box::new(Refusal::because(Code::PreconditionFailed, sentence)))
}

/// `q=0`, in any of its spellings (RFC 9110 §12.4.2).
fn is_zero_weight(parameter: &[u8]) -> bool {
    let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="));
    weight.is_some_and(|weight| weight.iter().all(|byte| matches!(byte, b'0' | b'.')))
}

/// Masks the head of a response to a request of this method, and returns what its body must go through. Call it for
/// every response of a connection that masks, whatever its status, after the fields of the hop were taken out.
///
/// # Errors
/// [`Uninspectable`]: then nothing of the response may go to the caller.
pub fn response(
    plan: &Arc<MaskPlan>,
    method: &Method,
    status: StatusCode,
    headers: &mut HeaderMap,
) -> Result<Masked, Uninspectable> {
    if plan.is_empty() {
        return Ok(Masked { body: None, counts: MaskedCounts::default() });
    }
    if status.is_informational() {
        return Err(Uninspectable::NotFinal);
    }
    let is_part = status == StatusCode::PARTIAL_CONTENT;
    if is_part && !plan.is_opted_out() {
        return Err(Uninspectable::Partial);
    }
    // RFC 9110 §6.4.1: these have no content, whatever their fields say.
    let is_bodiless = method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_empty = headers.get(header::CONTENT_LENGTH).is_some_and(|length| length == "0");
    let body = match (is_bodiless || is_empty, plan.is_opted_out()) {
        (true, _) => None,
        (false, false) => Some(BodyMasker::begin(plan, format(headers)?, coding(headers)?)),
        (false, true) if is_part => None,
        (false, true) => scrubbing(plan, headers),
    };
    if body.is_some() || !plan.is_opted_out() {
        for name in &ABOUT_THE_ORIGINAL {
            if *name != header::CONTENT_LENGTH || !is_empty {
                headers.remove(name);
            }
        }
    }
    let mut counts = MaskedCounts::default();
    mask_all(plan, headers, &mut counts)?;
    Ok(Masked { body, counts })
}

/// Begins a body of a connection that opted out of masking: injected credentials are looked for where a body is text, and
/// what is not text goes through.
fn scrubbing(plan: &Arc<MaskPlan>, headers: &HeaderMap) -> Option<BodyMasker> {
    let is_text = format(headers).is_ok();
    // Whatever its encoding is, a credential is ASCII in it. It need not be well-formed JSON either.
    let format = is_text.then_some(Format::Text(Charset::Latin1))?;
    Some(BodyMasker::begin(plan, format, coding(headers).ok()?))
}

/// Begins the body of a request, for what is kept of it; `None` where it cannot be inspected. It goes to the backend as it
/// is.
#[must_use]
pub fn upload(plan: &Arc<MaskPlan>, headers: &HeaderMap) -> Option<BodyMasker> {
    if plan.is_opted_out() {
        return None;
    }
    Some(BodyMasker::begin(plan, format(headers).ok()?, coding(headers).ok()?))
}

fn mask_all(plan: &MaskPlan, headers: &mut HeaderMap, counts: &mut MaskedCounts) -> Result<(), Uninspectable> {
    for (name, value) in headers.iter_mut() {
        let Some(masked) = plan.mask_named(name.as_str().as_bytes(), value.as_bytes(), counts)? else {
            continue;
        };
        if STRUCTURAL.contains(name) {
            return Err(Uninspectable::Field);
        }
        *value = HeaderValue::from_bytes(&masked).map_err(|_| Uninspectable::Field)?;
    }
    Ok(())
}
