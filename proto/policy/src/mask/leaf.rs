//! One string value: its text, and what is hidden in it as JSON or base64.

use super::bytes::{Hints, NOT_BASE64};
use super::json::Json;
use super::names::{Named, is_secret};
use super::plan::MaskPlan;
use super::{MaskedCounts, Uninspectable};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use std::borrow::Cow;

/// How many texts can be in one another: JSON or base64 in a string in JSON or base64 in a string, and so on.
pub(super) const MAX_NESTING: u8 = 3;
/// Shortest text that is tried as base64, in bytes: no shorter one holds anything that is recognised.
const MIN_BASE64_BYTES: usize = 8;

/// A string value, decoded from wherever it was.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaf<'t> {
    pub(super) text: &'t [u8],
    pub(super) hints: Hints,
    /// How much deeper what is in it may be nested.
    pub(super) nesting: u8,
}

impl Leaf<'_> {
    /// Returns whether there can be anything to mask in it; cheap.
    fn is_suspect(&self, plan: &MaskPlan) -> bool {
        plan.can_be_in(self.text.len(), self.hints) || self.may_be_base64() || self.may_be_json()
    }

    const fn may_be_base64(&self) -> bool {
        self.text.len() >= MIN_BASE64_BYTES && !self.hints.has(NOT_BASE64)
    }

    /// Most texts show with their first byte that they are not JSON.
    fn may_be_json(&self) -> bool {
        matches!(self.text.trim_ascii_start().first(), Some(b'{' | b'[' | b'"'))
    }
}

impl MaskPlan {
    /// Masks a value that is there as a whole and has a name, such as a header field: what the name says about it, what
    /// is in it, and what is in JSON or base64 in it; `None` where it needs no masking.
    ///
    /// # Errors
    /// [`Uninspectable::TooDeep`] where texts are nested in it that cannot be read.
    pub fn mask_named(
        &self,
        name: &[u8],
        value: &[u8],
        counts: &mut MaskedCounts,
    ) -> Result<Option<Vec<u8>>, Uninspectable> {
        let leaf = Leaf { text: value, hints: Hints::of(value), nesting: MAX_NESTING };
        self.mask_under(self.names.of(name), leaf, counts)
    }

    /// Masks a string value of which it is known what its name says.
    pub(super) fn mask_under(
        &self,
        named: Option<Named>,
        leaf: Leaf<'_>,
        counts: &mut MaskedCounts,
    ) -> Result<Option<Vec<u8>>, Uninspectable> {
        let class = match named {
            Some(Named::Field(class)) if !leaf.text.is_empty() => Some(class),
            Some(Named::Secret(class)) if is_secret(leaf.text) => Some(class),
            Some(Named::Field(_) | Named::Secret(_)) | None => None,
        };
        match class {
            Some(class) => Ok(Some(self.mask_value(class, leaf.text, leaf.hints, counts))),
            None if leaf.is_suspect(self) => self.mask_leaf(leaf, counts),
            None => Ok(None),
        }
    }

    /// Masks a string value; `None` where it needs no masking.
    fn mask_leaf(&self, leaf: Leaf<'_>, counts: &mut MaskedCounts) -> Result<Option<Vec<u8>>, Uninspectable> {
        if let Some(json) = self.mask_json(leaf, counts)? {
            return Ok(json);
        }
        if let Some(encoded) = self.mask_base64(leaf, counts)? {
            return Ok(Some(encoded));
        }
        Ok(self.mask_hinted(leaf.text, leaf.hints, counts))
    }

    /// `None` where the text is not JSON.
    fn mask_json(&self, leaf: Leaf<'_>, counts: &mut MaskedCounts) -> Result<Option<Option<Vec<u8>>>, Uninspectable> {
        if !leaf.may_be_json() {
            return Ok(None);
        }
        let Some(nesting) = leaf.nesting.checked_sub(1) else {
            // Without escapes the text shows all that is in it. With them it does not, and there is no deeper reading.
            let is_hidden = leaf.text.contains(&b'\\') && Json::nested(0).read_whole(self, leaf.text).is_ok();
            return if is_hidden { Err(Uninspectable::TooDeep) } else { Ok(None) };
        };
        let mut json = Json::nested(nesting);
        match json.read_whole(self, leaf.text) {
            Ok(out) => {
                counts.add(json.counts());
                Ok(Some((!json.counts().is_empty()).then_some(out)))
            }
            Err(Uninspectable::TooDeep) => Err(Uninspectable::TooDeep),
            // It is a text that begins like JSON.
            Err(
                Uninspectable::Malformed | Uninspectable::Truncated | Uninspectable::Encoding | Uninspectable::TooLong,
            ) => Ok(None),
        }
    }

    /// `None` where the text is not base64 of a text, or has nothing in it that needs masking.
    fn mask_base64(&self, leaf: Leaf<'_>, counts: &mut MaskedCounts) -> Result<Option<Vec<u8>>, Uninspectable> {
        let Some(nesting) = leaf.nesting.checked_sub(1).filter(|_| leaf.may_be_base64()) else {
            return Ok(None);
        };
        let Some((alphabet, text)) = unwrapped(leaf.text) else {
            return Ok(None);
        };
        let inner = Leaf { text: &text, hints: Hints::of(&text), nesting };
        let masked = self.mask_leaf(inner, counts)?;
        Ok(masked.map(|masked| alphabet.encode(masked).into_bytes()))
    }
}

/// Returns the text that base64 holds, and the alphabet it is to be encoded with again.
fn unwrapped(text: &[u8]) -> Option<(&'static GeneralPurpose, Vec<u8>)> {
    const LENIENT: GeneralPurposeConfig =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const PLAIN: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, LENIENT);
    const URL: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, LENIENT);

    if !begins_like_text(text) {
        return None;
    }
    let unbroken: Cow<'_, [u8]> = if text.contains(&b'\n') {
        Cow::Owned(text.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect())
    } else {
        Cow::Borrowed(text)
    };
    let text = &*unbroken;
    let is_url = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    let (decoder, padded, bare) =
        if is_url { (URL, &URL_SAFE, &URL_SAFE_NO_PAD) } else { (PLAIN, &STANDARD, &STANDARD_NO_PAD) };
    let decoded = decoder.decode(text).ok()?;
    let is_text = decoded.iter().all(|byte| is_printable(*byte)) && std::str::from_utf8(&decoded).is_ok();
    // Where no padding is needed none shows, and the alphabet tells what is usual.
    let is_padded = text.ends_with(b"=") || (!is_url && text.len().is_multiple_of(4));
    is_text.then_some((if is_padded { padded } else { bare }, decoded))
}

/// Returns whether the first eight characters are base64 of UTF-8. Words and random identifiers seldom are.
fn begins_like_text(text: &[u8]) -> bool {
    let sextet = |byte: &u8| match byte {
        b'A'..=b'Z' => Some(u64::from(byte - b'A')),
        b'a'..=b'z' => Some(u64::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u64::from(byte - b'0') + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        b'=' => Some(0),
        _ => None,
    };
    let bits = text.iter().take(8).try_fold(0, |bits, byte| Some(bits << 6 | sextet(byte)?));
    let Some(bytes) = bits.map(u64::to_be_bytes) else {
        return false;
    };
    let first = bytes.get(2..).unwrap_or_default();
    // Padding decodes to NUL; a character may go on behind these bytes.
    let first = first.split(|byte| *byte == 0).next().unwrap_or_default();
    let is_utf8 = std::str::from_utf8(first).map_or_else(|cut| cut.error_len().is_none(), |_| true);
    is_utf8 && first.iter().all(|byte| is_printable(*byte))
}

const fn is_printable(byte: u8) -> bool {
    matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~' | 0x80..)
}
