//! Equality of numbers, and the check for integers that fit in 64 bits.

use serde_json::{Number, Value};

use super::SignalError;
use sse_broadcaster::event::Invalid;

/// Most characters of an integer that an error message repeats.
const MAX_SHOWN: usize = 40;

/// Whether both have the same JSON text: unlike with `==`, `-0.0` is not `0.0`.
pub(super) fn is_identical(one: &Value, other: &Value) -> bool {
    compare(one, other, &|one, other| {
        let sign = |number: &Number| number.as_f64().map(f64::is_sign_negative);
        one == other && sign(one) == sign(other)
    })
}

/// Whether both are equal by RFC 6902, section 4.6: numbers by their exact values.
pub(super) fn is_equal(one: &Value, other: &Value) -> bool {
    compare(one, other, &|one, other| {
        one == other || integer(one).is_some_and(|value| integer(other) == Some(value))
    })
}

fn compare(one: &Value, other: &Value, numbers: &impl Fn(&Number, &Number) -> bool) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => numbers(one, other),
        (Value::Array(one), Value::Array(other)) => {
            let mut pairs = one.iter().zip(other);
            one.len() == other.len() && pairs.all(|(one, other)| compare(one, other, numbers))
        }
        (Value::Object(one), Value::Object(other)) => {
            let is_there = |(key, one): (&String, &Value)| {
                let other = other.get(key);
                other.is_some_and(|other| compare(one, other, numbers))
            };
            one.len() == other.len() && one.iter().all(is_there)
        }
        _ => one == other,
    }
}

/// The number where it is whole. A double outside of an `i128` equals only itself.
#[expect(
    clippy::cast_possible_truncation,
    reason = "whole and within the bounds"
)]
fn integer(number: &Number) -> Option<i128> {
    const BOUND: f64 = 1e38;
    if let Some(value) = number.as_i64() {
        return Some(value.into());
    }
    if let Some(value) = number.as_u64() {
        return Some(value.into());
    }
    let value = number.as_f64()?;
    (value.fract() == 0.0 && value.abs() < BOUND).then_some(value as i128)
}

/// Rejects integers that would become doubles. `text` has to be valid JSON.
pub(super) fn check_integers(text: &[u8]) -> Result<(), SignalError> {
    let mut rest = text;
    while let Some(at) = rest
        .iter()
        .position(|byte| matches!(byte, b'"' | b'-' | b'0'..=b'9'))
    {
        rest = &rest[at..];
        let end = if rest[0] == b'"' {
            end_of_string(rest)
        } else {
            let end = rest
                .iter()
                .position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'));
            let end = end.unwrap_or(rest.len());
            check_integer(&rest[..end])?;
            end
        };
        rest = &rest[end..];
    }
    Ok(())
}

fn end_of_string(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(found) = memchr::memchr2(b'"', b'\\', text.get(at..).unwrap_or_default()) {
        at += found;
        if text[at] == b'"' {
            return at + 1;
        }
        at += 2;
    }
    text.len()
}

fn check_integer(number: &[u8]) -> Result<(), SignalError> {
    // Shorter integers fit.
    if number.len() < 19 || number.iter().any(|b| matches!(b, b'.' | b'e' | b'E')) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(number);
    if text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok() {
        return Ok(());
    }
    let shown: String = text.chars().take(MAX_SHOWN).collect();
    let more = if text.len() > shown.len() { "…" } else { "" };
    let detail = format!(
        "the integer {shown}{more} does not fit in 64 bits; send it as a string, or with an exponent \
         where a rounded value will do"
    );
    Err(SignalError::Invalid(Invalid::new(
        "integer_too_large",
        detail,
    )))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_are_equal_by_value_also_when_nested() {
        for (one, other) in [
            (json!(1), json!(1.0)),
            (json!(0), json!(-0.0)),
            (json!(u64::MAX), json!(u64::MAX)),
            (json!(1_i64 << 60), json!(1.152_921_504_606_847e18)),
            (json!({"a": [1, {"b": 2.0}]}), json!({"a": [1.0, {"b": 2}]})),
        ] {
            assert!(is_equal(&one, &other) && is_equal(&other, &one), "{one}");
        }
        for (one, other) in [
            (json!(1), json!(1.5)),
            (json!(1), json!("1")),
            (json!(1), json!(true)),
            (json!((1_u64 << 53) + 1), json!(9_007_199_254_740_992.0)),
            (json!(u64::MAX), json!(18_446_744_073_709_551_616.0)),
            (json!([1, 2]), json!([1])),
            (json!({"a": 1}), json!({"b": 1})),
        ] {
            assert!(!is_equal(&one, &other) && !is_equal(&other, &one), "{one}");
        }
    }

    #[test]
    fn a_zero_with_another_sign_is_a_change() {
        assert!(!is_identical(&json!({"a": [0.0]}), &json!({"a": [-0.0]})));
        assert!(is_identical(&json!([-0.0, 1]), &json!([-0.0, 1])));
        assert!(!is_identical(&json!(1), &json!(1.0)));
    }

    #[test]
    fn integers_beyond_64_bits_are_rejected_anywhere_except_in_strings() {
        let check = |text: &str| {
            serde_json::from_str::<Value>(text).unwrap();
            check_integers(text.as_bytes())
        };
        for text in [
            "18446744073709551615",
            "-9223372036854775808",
            "[1,-2,3.000000000000000000001,1e30,123456789012345678901.5,-0]",
            r#"{"a\"99999999999999999999":"99999999999999999999\\"}"#,
        ] {
            check(text).unwrap();
        }
        for text in [
            "18446744073709551616",
            "-9223372036854775809",
            r#"{"a\\":[1,{"b":99999999999999999999}]}"#,
            r#"["\"",100000000000000000000 ]"#,
        ] {
            let refused = check(text).unwrap_err();
            assert_eq!(refused.code(), "integer_too_large", "{text}");
        }
        let long = format!("{}{}", "9".repeat(200), "");
        let shown = check(&long).unwrap_err().to_string();
        assert!(
            shown.contains(&format!("{}… does", "9".repeat(40))),
            "{shown}"
        );
    }
}
