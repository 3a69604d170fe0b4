//! Makes text from servers and users safe to print on a terminal.

use std::{
    borrow::Cow,
    fmt::{self, Display},
    io::{self, Write as _},
};

/// Whether a character controls a terminal, or changes the order in which text is shown: control characters
/// (C0, DEL and C1), and those that set the direction of text.
fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(
            char,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{206f}'
        )
}

/// Escapes control characters other than line ends and tabs. The escapes are those of JSON, so that a JSON
/// object stays the same.
pub(crate) fn lines(text: &str) -> Cow<'_, str> {
    escape(text, |char| {
        is_control(char) && !matches!(char, '\n' | '\t')
    })
}

/// Escapes all control characters, line ends and tabs among them.
pub fn within_a_line(text: &str) -> Cow<'_, str> {
    escape(text, is_control)
}

/// Escapes all control characters, with spaces in place of line ends and tabs.
#[must_use]
pub fn one_line(text: &str) -> String {
    within_a_line(&text.replace(['\r', '\n', '\t'], " ")).into_owned()
}

/// Prints one line to standard error. Parts of the text may come from a server.
pub fn print_to_stderr(what: &dyn Display) {
    let line = one_line(&what.to_string());
    let _ = writeln!(io::stderr(), "sse-broadcaster: {line}");
}

fn escape(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for char in text.chars() {
        if is_escaped(char) {
            // Writing to a string cannot fail.
            let _ = fmt::Write::write_fmt(&mut escaped, format_args!("\\u{:04x}", u32::from(char)));
        } else {
            escaped.push(char);
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_other_text_stays() {
        let plain = "é 😀 \u{200d} \u{2028} עברית a\tb\nc";
        assert_eq!(lines(plain), plain);
        assert_eq!(
            lines("\u{1b}]0;x\u{7}\r\u{7f}\u{9b}2J\u{202e}\u{2066}\0\u{8}"),
            "\\u001b]0;x\\u0007\\u000d\\u007f\\u009b2J\\u202e\\u2066\\u0000\\u0008"
        );
        assert_eq!(within_a_line("a\nb\tc"), "a\\u000ab\\u0009c");
        assert_eq!(one_line("a\r\nb\u{1b}c"), "a  b\\u001bc");
    }

    #[test]
    fn an_escaped_object_is_the_same_object() {
        let object = serde_json::json!({ "data": "\u{9b}\u{7f}\u{202e}\u{1b}\n" });
        let shown = lines(&object.to_string()).into_owned();
        assert!(!shown.contains(is_control), "{shown}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&shown).unwrap(),
            object
        );
    }
}
