//! Registered claims (RFC 7519, section 4.1), each of its one type.

use std::time::SystemTime;

use serde_json::{Map, Value};

use super::{TokenError, from_unix};

type Claims = Map<String, Value>;

pub(super) fn text<'a>(
    claims: &'a Claims,
    name: &'static str,
) -> Result<Option<&'a str>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(TokenError::claim(name, "is not a string")),
    }
}

pub(super) fn time(claims: &Claims, name: &'static str) -> Result<Option<SystemTime>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(value) => {
            let seconds = value.as_f64();
            let seconds = seconds.ok_or_else(|| TokenError::claim(name, "is not a number"))?;
            Ok(Some(from_unix(seconds)))
        }
    }
}

/// Whether `aud`, a string or an array of strings, has one of `expected`.
pub(super) fn audience_is_one_of(claims: &Claims, expected: &[&str]) -> Result<bool, TokenError> {
    let wrong = || TokenError::claim("aud", "is neither a string nor an array of strings");
    match claims.get("aud") {
        None => Ok(false),
        Some(Value::String(one)) => Ok(expected.contains(&one.as_str())),
        Some(Value::Array(several)) => {
            let several: Option<Vec<_>> = several.iter().map(Value::as_str).collect();
            let several = several.ok_or_else(wrong)?;
            Ok(several.iter().any(|one| expected.contains(one)))
        }
        Some(_) => Err(wrong()),
    }
}
