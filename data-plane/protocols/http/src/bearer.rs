//! The caller's token.

use crate::fields::at_most_one;
use hoop_model::{Code, Refusal};
use http::{HeaderMap, header};

/// Returns the token of the only `Authorization` field (RFC 6750 §2.1): scheme `Bearer` in any case, one space, one
/// token68 (RFC 9110 §11.2).
///
/// # Errors
/// [`Code::TokenMissing`] without the field or with another scheme, [`Code::MalformedHeader`] where it is repeated,
/// [`Code::TokenMalformed`] where what follows the scheme is not a token68.
pub fn bearer(headers: &HeaderMap) -> Result<&[u8], Box<Refusal>> {
    let refuse = |code, sentence| Box::new(Refusal::because(code, sentence));
    let field = at_most_one(headers, &header::AUTHORIZATION)
        .map_err(|_| refuse(Code::MalformedHeader, "`Authorization` is repeated"))?
        .ok_or_else(|| refuse(Code::TokenMissing, "a bearer token is required"))?;
    let value = field.as_bytes();
    let (scheme, token) = match value.iter().position(|&b| b == b' ') {
        Some(space) => value.split_at(space),
        None => (value, &[][..]),
    };
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Err(refuse(Code::TokenMissing, "`Authorization` must carry a bearer token"));
    }
    token
        .strip_prefix(b" ")
        .filter(|token| is_token68(token))
        .ok_or_else(|| refuse(Code::TokenMalformed, "the bearer token is not one well-formed token"))
}

fn is_token68(token: &[u8]) -> bool {
    let is_in_token = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
    let body = token.iter().take_while(|b| is_in_token(b)).count();
    body > 0 && token.iter().skip(body).all(|&b| b == b'=')
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn code(values: &[&str]) -> Result<Vec<u8>, Code> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::try_from(*value).unwrap());
        }
        bearer(&headers).map(<[u8]>::to_vec).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_token_comes_in_one_field_as_one_token68() {
        for (value, token) in [("Bearer a.b.c", "a.b.c"), ("bearer aZ0-._~+/==", "aZ0-._~+/=="), ("BEARER x", "x")] {
            assert_eq!(code(&[value]), Ok(token.into()));
        }
        assert_eq!(code(&[]), Err(Code::TokenMissing));
        for other in ["", "Basic YTpi", "Bearerx", "a.b.c", " Bearer x", "Bearer,x y"] {
            assert_eq!(code(&[other]), Err(Code::TokenMissing), "{other:?}");
        }
        for bad in [
            "Bearer",
            "Bearer ",
            "Bearer  x",
            "Bearer x y",
            "Bearer x,y",
            "Bearer x=y",
            "Bearer =",
            "Bearer x ",
            "Bearer é",
        ] {
            assert_eq!(code(&[bad]), Err(Code::TokenMalformed), "{bad:?}");
        }
        assert_eq!(code(&["Bearer x", "Bearer x"]), Err(Code::MalformedHeader));
    }
}
