//! The lines of an event stream, one field each.

use serde::Serialize;

pub(super) fn data_lines(out: &mut Vec<u8>, data: &[u8]) {
    for line in lines(data) {
        bytes_field(out, "data", line);
    }
}

pub(super) fn field(out: &mut Vec<u8>, name: &str, value: &str) {
    bytes_field(out, name, value.as_bytes());
}

fn bytes_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\n"] {
        out.extend_from_slice(part);
    }
}

/// CR, LF and CRLF end a line, as in the standard's own parser; nothing else does.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let Some(end) = memchr::memchr2(b'\r', b'\n', text) else {
            rest = None;
            return Some(text);
        };
        let skip = if text[end..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = Some(&text[end + skip..]);
        Some(&text[..end])
    })
}

pub(super) fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
