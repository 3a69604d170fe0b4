//! The lines of an event stream, one field each.

use serde::Serialize;

use crate::event::EventId;

/// The data of a block: one field for each of its lines.
#[inline]
pub fn write_data(out: &mut Vec<u8>, data: &[u8]) {
    for line in lines(data) {
        bytes_field(out, "data", line);
    }
}

/// One field of a block. The value must hold no line end.
pub fn write_field(out: &mut Vec<u8>, name: &str, value: &str) {
    bytes_field(out, name, value.as_bytes());
}

#[inline]
fn bytes_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\n"] {
        out.extend_from_slice(part);
    }
}

/// Ends the block of an event. The id is the last field: many clients store it when they read its line, before
/// the event is dispatched, and would resume behind an event that was cut in the middle.
pub fn end_block(out: &mut Vec<u8>, id: EventId) {
    write_field(out, "id", id.write(&mut [0; EventId::MAX_CHARS]));
    out.push(b'\n');
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

/// On one line. What cannot be serialized is an empty text: no type here is such.
pub fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
