//! The parsers of what Redis holds that are private here, for `fuzz/`. A panic is a finding.

#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

use std::time::Duration;

use ::redis::{Arg, Cmd, Value};

use crate::{connection::Address, entry};

/// An entry of the stream: its id, then its fields, with a zero between them.
pub fn entry(input: &[u8]) {
    let mut parts = input
        .split(|byte| *byte == 0)
        .map(|part| Value::BulkString(part.to_vec()));
    let id = parts.next().unwrap_or(Value::Nil);
    let Ok(entry) = entry::entry(Value::Array(vec![id, Value::Array(parts.collect())])) else {
        return;
    };
    let (_, _) = (entry.bytes(), entry.fingerprint());
    let Some(stored) = entry.event() else { return };
    let mut call = Cmd::new();
    entry::add(&mut call, stored.event());
    let fields = call.args_iter().map(|arg| match arg {
        Arg::Simple(bytes) => Value::BulkString(bytes.to_vec()),
        _ => Value::Nil,
    });
    let id = Value::BulkString(stored.id().to_string().into_bytes());
    let again = entry::entry(Value::Array(vec![id, Value::Array(fields.collect())]));
    let again = again.ok().and_then(entry::Entry::event);
    let again = again.expect("what was read is written so that it is read again");
    assert_eq!(again.event(), stored.event());
}

/// The URL of Redis: what is shown of it is free of the password.
pub fn url(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let _ = Address::parse(text, Duration::from_secs(1));
}
