//! Numbers, times and sizes for people.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is rounded, and not below zero"
)]
pub(crate) fn whole(number: f64) -> String {
    count(number.round() as u64)
}

/// With three significant digits, or all digits before the point.
pub(crate) fn number(number: f64) -> String {
    match number {
        ..0.0 => format!("-{}", self::number(-number)),
        ..0.0005 => "0".to_owned(),
        ..0.9995 => format!("{number:.3}"),
        ..9.995 => format!("{number:.2}"),
        ..99.95 => format!("{number:.1}"),
        _ => whole(number),
    }
}

pub(crate) fn millis(millis: f64) -> String {
    if millis < 1.0 {
        format!("{} µs", number(millis * 1_000.0))
    } else if millis < 1_000.0 {
        format!("{} ms", number(millis))
    } else {
        format!("{} s", number(millis / 1_000.0))
    }
}

pub(crate) fn seconds(time: Duration) -> String {
    format!("{} s", number(time.as_secs_f64()))
}

pub(crate) fn bytes(bytes: f64) -> String {
    const KIB: f64 = 1024.0;
    if bytes.abs() < KIB * KIB {
        format!("{} KiB", number(bytes / KIB))
    } else {
        format!("{} MiB", number(bytes / KIB / KIB))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas() {
        let texts = [0, 999, 1_000, 123_456, 1_234_567].map(count);
        assert_eq!(texts, ["0", "999", "1,000", "123,456", "1,234,567"]);
    }

    #[test]
    fn figures_have_three_digits_or_all_of_them() {
        let texts = [0.0, 0.12345, 1.2345, 12.345, 123.45, 12_345.6, -1.5].map(number);
        assert_eq!(
            texts,
            ["0", "0.123", "1.23", "12.3", "123", "12,346", "-1.50"]
        );
        assert_eq!(millis(0.25), "250 µs");
        assert_eq!(millis(2_500.0), "2.50 s");
        assert_eq!(bytes(1_536.0), "1.50 KiB");
        assert_eq!(bytes(3.0 * 1_048_576.0), "3.00 MiB");
    }
}
