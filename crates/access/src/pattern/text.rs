use std::sync::LazyLock;

use regex::Regex;

use super::{MAX_PATTERN_BYTES, PatternError};

/// C0 and C1 controls, DEL, and what Unicode calls a format character (category Cf), which does not show: two
/// texts that look alike could differ by them.
static INVISIBLE: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"[\x00-\x1F\x7F-\x9F\p{Cf}]").expect("a constant"));

/// Whether `text` has control characters or format characters (Unicode category Cf).
#[must_use]
pub fn has_control_or_format(text: &str) -> bool {
    find(text).is_some()
}

fn find(text: &str) -> Option<usize> {
    if text.is_ascii() {
        return text.bytes().position(|byte| byte.is_ascii_control());
    }
    INVISIBLE.find(text).map(|found| found.start())
}

pub(super) fn check(text: &str) -> Result<(), PatternError> {
    if text.is_empty() {
        return Err(PatternError::Empty);
    }
    if text.len() > MAX_PATTERN_BYTES {
        return Err(PatternError::TooLong { bytes: text.len() });
    }
    match find(text) {
        Some(at) => Err(PatternError::ControlCharacter { at }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_format_characters_are_found_wherever_they_are() {
        for bad in [
            "a\n",
            "\u{7f}",
            "é\u{80}",
            "a\u{200b}b",
            "\u{202e}a",
            "\u{ad}é",
            "é\u{feff}",
        ] {
            assert!(has_control_or_format(bad), "{bad:?}");
        }
        for good in ["a b", "é", "日本", "a/{b}", "😀"] {
            assert!(!has_control_or_format(good), "{good:?}");
        }
        assert_eq!(
            check("ab\tc"),
            Err(PatternError::ControlCharacter { at: 2 })
        );
        assert!(matches!(
            check(&"a".repeat(MAX_PATTERN_BYTES + 1)),
            Err(PatternError::TooLong { .. })
        ));
    }
}
