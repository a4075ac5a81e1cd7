//! JSON numbers (RFC 8259 §6).

/// Returns whether this is a number.
pub(super) fn is_number(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (whole, rest) = digits(text);
    let is_whole = matches!(whole, [b'0'] | [b'1'..=b'9', ..]);
    let (is_fraction, rest) = match rest.split_first() {
        Some((b'.', fraction)) => {
            let (digits, rest) = digits(fraction);
            (!digits.is_empty(), rest)
        }
        _ => (true, rest),
    };
    let is_exponent = match rest {
        [] => true,
        [b'e' | b'E', b'+' | b'-', exponent @ ..] | [b'e' | b'E', exponent @ ..] => {
            let (digits, rest) = digits(exponent);
            !digits.is_empty() && rest.is_empty()
        }
        _ => false,
    };
    is_whole && is_fraction && is_exponent
}

/// Returns the digits of a number that is written with a fraction or an exponent but has the value of an integer of at
/// most 19 digits: `4.2e1` is `42`. Some encoders write large integers like this.
pub(super) fn as_integer(number: &[u8]) -> Option<Vec<u8>> {
    const MAX_DIGITS: usize = 19;
    let number = number.strip_prefix(b"-").unwrap_or(number);
    let (whole, rest) = digits(number);
    let (fraction, rest) = rest.strip_prefix(b".").map_or((&[][..], rest), digits);
    let exponent = match rest {
        [] => 0,
        [_, exponent @ ..] => std::str::from_utf8(exponent).ok()?.parse::<i16>().ok()?,
    };
    let mut integer: Vec<u8> = whole.iter().chain(fraction).copied().collect();
    let length = isize::try_from(whole.len()).ok()?.checked_add(isize::from(exponent))?;
    let length = usize::try_from(length).ok().filter(|length| (1..=MAX_DIGITS).contains(length))?;
    let is_whole = integer.get(length..).unwrap_or_default().iter().all(|digit| *digit == b'0');
    integer.resize(length, b'0');
    is_whole.then_some(integer)
}

fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at_checked(end).unwrap_or((text, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_what_the_grammar_says() {
        for good in ["0", "-0", "7", "10", "-1.50", "1e9", "1E+9", "0.1e-7", "4111111111111111"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in ["", "-", "00", "01", ".5", "1.", "1.e1", "1e", "1e+", "+1", "0x1", "1_0", "NaN", "1-", "--1", "1 "]
        {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn an_integer_is_known_however_it_is_written() {
        for (number, integer) in [
            ("4111111111111111", Some("4111111111111111")),
            ("4111111111111111.0", Some("4111111111111111")),
            ("4.111111111111111e15", Some("4111111111111111")),
            ("4.111111111111111E+15", Some("4111111111111111")),
            ("41111111111111110e-1", Some("4111111111111111")),
            ("-4.2e1", Some("42")),
            ("5e3", Some("5000")),
            ("4.25e1", None),
            ("1e40", None),
            ("1e-1", None),
            ("1e99999", None),
        ] {
            assert_eq!(as_integer(number.as_bytes()), integer.map(|digits| digits.as_bytes().to_vec()), "{number}");
        }
    }
}
