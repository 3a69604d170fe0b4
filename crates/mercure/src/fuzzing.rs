//! The private parsers of what clients of a hub send, for `fuzz/`. A panic is a finding.

#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

use sse_broadcaster::Event;
use sse_broadcaster_access::BaseUrl;
use sse_broadcaster_http::query;

use crate::{form::Form, id, matchers};

/// The form of a publish: an accepted event is the same after it has been stored.
pub fn form(input: &[u8]) {
    let Ok(Ok(event)) = Form::read(input).map(Form::into_event) else {
        return;
    };
    let mut packed = Vec::new();
    event.pack(&mut packed);
    let fields = sse_broadcaster::event::Fields::checked(&packed).expect("it reads back");
    assert_eq!(Event::unpack(&fields), event);
}

/// The query of a subscription, and its cursor: what the matchers match, the selector selects.
pub fn subscription(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let pairs: Vec<_> = query::lossy_pairs(input.as_bytes()).collect();
    let base = || BaseUrl::parse("https://example.com/").ok();
    if let Ok(matchers) = matchers::read(&pairs, base)
        && let Ok(selector) = matchers::selector(&matchers)
    {
        for topic in pairs.iter().map(|(name, _)| name) {
            let Ok(event) = Event::builder("").uri_topics().topic(topic).build() else {
                continue;
            };
            let is_internal = event
                .topics()
                .iter()
                .any(|topic| topic.as_str().starts_with('$'));
            let mut patterns = matchers.iter().map(|matcher| &matcher.pattern);
            let matches = patterns.any(|pattern| pattern.matches(topic));
            assert!(
                is_internal || selector.admits(&event) == matches,
                "{topic:?}"
            );
        }
    }
    if let Some(position) = id::decode(input) {
        assert_eq!(id::encode(position), input);
    }
}
