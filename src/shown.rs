//! Text from outside, as a log or an error may show it: escaped, and of a bounded length.

use std::fmt::{self, Write as _};

/// Most bytes that are shown; a `…` stands for the rest.
pub(crate) const MAX_SHOWN_BYTES: usize = 256;

/// Text that came from outside, as at most 256 bytes. Control characters, quotes and what is not ASCII are escaped, so that it
/// can neither begin a line of its own nor steer a terminal.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a>(pub &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut room = MAX_SHOWN_BYTES;
        for c in self.0.chars() {
            let escaped = c.escape_default();
            match room.checked_sub(escaped.len()) {
                Some(left) => room = left,
                None => return f.write_char('…'),
            }
            escaped.fmt(f)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_short_and_plain_is_shown_as_it_is_and_all_else_escaped() {
        assert_eq!(
            Shown("https://a.example:80").to_string(),
            "https://a.example:80"
        );
        assert_eq!(
            Shown("a\n\"b\u{1b}]0;x\u{7}é").to_string(),
            r#"a\n\"b\u{1b}]0;x\u{7}\u{e9}"#
        );
    }

    #[test]
    fn what_is_long_is_cut_at_its_limit_and_marked() {
        for text in ["x", "\0", "é", "\""] {
            let shown = Shown(&text.repeat(100_000)).to_string();
            let (kept, mark) = shown.split_at(shown.len() - '…'.len_utf8());
            assert_eq!(mark, "…", "{shown}");
            assert!(kept.len() <= MAX_SHOWN_BYTES && kept.len() > MAX_SHOWN_BYTES - 10);
        }
        let exact = "x".repeat(MAX_SHOWN_BYTES);
        assert_eq!(Shown(&exact).to_string(), exact);
    }
}
