//! The parsers of foreign input that are private here, for `fuzz/`. A panic is a finding.

#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

use std::io::BufReader;

use crate::{
    event_json::EventFields,
    event_stream::{EventStream, Message},
    input_line::InputLine,
    keys,
    target::Target,
};

/// An event stream is read alike whatever pieces it comes in.
pub fn event_stream(input: &[u8]) {
    let whole = read_stream(input, input.len().max(1));
    for piece_bytes in [1, 3] {
        assert_eq!(read_stream(input, piece_bytes), whole);
    }
}

fn read_stream(input: &[u8], piece_bytes: usize) -> (Vec<Message>, String) {
    let mut stream = EventStream::new(BufReader::with_capacity(piece_bytes, input), "");
    let mut messages = Vec::new();
    while let Ok(Some(message)) = stream.next() {
        messages.push(message);
    }
    let _ = stream.retry();
    (messages, stream.last_id().to_owned())
}

/// A line that `publish` reads, as text and as JSON, becomes one line or is rejected.
pub fn publish_line(input: &[u8]) {
    let line = input.split(|byte| *byte == b'\n').next().unwrap_or(input);
    let fields = EventFields {
        topics: &[],
        event: None,
        private: false,
    };
    let lines = [
        InputLine::from_text(fields, line, Some("key")),
        InputLine::from_json(line, None),
    ];
    for line in lines.into_iter().flatten() {
        if line.signal.is_none() {
            let end = line.body.iter().position(|byte| *byte == b'\n');
            assert_eq!(end, Some(line.body.len() - 1));
        }
    }
}

/// A key file.
pub fn key_file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    for (_, key) in keys::keys_of(text) {
        assert!(!key.expose().is_empty());
        let _ = keys::check(&key);
    }
}

/// The URL of a server, which is shown without user and password.
pub fn target(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    if let Ok(target) = Target::new(Some(text), std::iter::empty(), "/events") {
        assert!(target.url().contains("://"));
        let authority = target.to_string();
        let authority = authority.split("://").nth(1).unwrap_or_default();
        let authority = authority.split('/').next().unwrap_or_default();
        assert!(!authority.contains('@'), "{authority}");
    }
}
