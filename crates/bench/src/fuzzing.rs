//! The parsers of foreign input that are private here, for `fuzz/`. A panic is a finding.

#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

use crate::http::response::{Body, Head};

/// A response is read alike whether its body comes whole or byte by byte.
pub fn response(input: &[u8]) {
    let Ok(Some(head)) = Head::read(input) else {
        return;
    };
    let rest = &input[head.length..];
    let whole = read(head.body, [rest]);
    assert_eq!(read(head.body, rest.chunks(1)), whole);
}

/// The data of a body, whether it was well-formed, and whether it is complete.
fn read<'a>(mut body: Body, pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool, bool) {
    let mut data = Vec::new();
    for piece in pieces {
        if body.is_done() {
            break;
        }
        if body
            .feed(piece, |part| data.extend_from_slice(part))
            .is_err()
        {
            return (data, false, false);
        }
    }
    (data, true, body.is_done())
}
