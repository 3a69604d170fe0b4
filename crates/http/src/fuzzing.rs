//! The private parsers of untrusted input, for `fuzz/`. A panic is a finding.

#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

use std::net::IpAddr;

use http::Version;
use sse_broadcaster::Event;

use crate::{
    ForwardedHeader, MAX_PROXY_HEADER_BYTES, ProxyHeader, PublishMessage, PublishRequest, Refusal,
    RequestHead, TrustedProxies, accepted,
    access::host::{Authority, is_same_origin, parse_origin},
    publish::{BodyKind, body},
    routes::conditions,
};

const MAX_EVENTS: usize = 100;

/// The body of a publish: as JSON, as a WebSocket's message, as a form, as text and line by line, and as a query.
pub fn publish_body(input: &[u8]) {
    if let Ok((all, _)) = body::objects(input, MAX_EVENTS) {
        assert!(all.len() <= MAX_EVENTS);
        for request in all {
            check(request.build());
        }
    }
    let message = PublishMessage::parse(input, MAX_EVENTS);
    if let Ok(events) = message.events {
        assert!(events.len() <= MAX_EVENTS);
        for event in events {
            check(Ok(event));
        }
    }
    let _ = PublishMessage::reference_of(input);
    check(body::form(input).and_then(PublishRequest::build));
    check(body::text(input.to_vec()).and_then(|text| PublishRequest::from_text(text).build()));
    for line in input.split(|byte| *byte == b'\n') {
        let object = body::json_text(line, "the line").and_then(body::object);
        check(object.and_then(PublishRequest::build));
    }
    let (query, body) = split(input);
    let query = std::str::from_utf8(query).map(PublishRequest::from_query);
    if let (Ok(Ok(query)), Ok(body)) = (query, body::form(body)) {
        check(body.with_query(&query).and_then(PublishRequest::build));
    }
}

/// An accepted event can be written to a frame, and is the same after it has been stored.
fn check(event: Result<Event, Refusal>) {
    let Ok(event) = event else { return };
    let names = event.topics().iter().map(sse_broadcaster::Topic::as_str);
    let names = names.chain(event.name().map(sse_broadcaster::event::EventName::as_str));
    for name in names {
        assert!(!name.chars().any(char::is_control), "{name:?}");
    }
    let mut packed = Vec::new();
    event.pack(&mut packed);
    let fields = sse_broadcaster::event::Fields::checked(&packed).expect("it reads back");
    assert_eq!(Event::unpack(&fields), event);
}

/// `Origin`, a line feed, `Host`.
pub fn origin_and_host(input: &[u8]) {
    let Ok(input) = std::str::from_utf8(input) else {
        return;
    };
    let (origin, host) = input.split_once('\n').unwrap_or((input, ""));
    let is_same = is_same_origin(origin, Some(host), "http");
    assert!(is_same || !is_same_origin(origin, Some(host), "https"));
    assert!(!is_same || parse_origin(origin).is_some());
    let Some(authority) = Authority::parse(host) else {
        assert!(!is_same);
        return;
    };
    assert!(authority.is_same_name(&authority));
    let _ = (authority.is_address(), authority.is_loopback());
    let _ = authority.has_name(origin);
    let _ = authority.port_or(80);
}

/// Values of `Accept`, `Content-Type`, `If-Match` and `If-None-Match`, with line feeds between them.
pub fn headers(input: &[u8]) {
    let lines = input.split(|byte| *byte == b'\n');
    // The parsers of requests reject all others.
    let lines = lines.filter(|line| http::HeaderValue::from_bytes(line).is_ok());
    let head = EveryHeader(lines.collect());
    for (range, weight) in accepted(&head) {
        assert!(!range.is_empty() && weight > 0.0);
    }
    let _ = BodyKind::of(&head);
    let _ = conditions::condition(&head);
    let _ = conditions::condition_of_read(&head);
}

/// Lines of `X-Forwarded-For`, of `X-Forwarded-Proto` and of `Forwarded`, to the last of which a trusted proxy appends: what
/// it wrote is read whatever stands before it.
pub fn forwarded(input: &[u8]) {
    let lines = input.split(|byte| *byte == b'\n');
    let lines: Vec<_> = lines
        .filter(|line| http::HeaderValue::from_bytes(line).is_ok())
        .collect();
    let headers = [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded];
    for (header, appended) in headers
        .into_iter()
        .zip(["192.0.2.1", "for=192.0.2.1;proto=https"])
    {
        let proxies = TrustedProxies::parse(["unix", "10.0.0.0/8"]).expect("they are valid");
        let proxies = proxies.header(header);
        let head = EveryHeader(lines.clone());
        let _ = proxies.client_ip(&head);
        let last = lines.last().copied().unwrap_or_default();
        let last = [last, b", ", appended.as_bytes()].concat();
        let before = lines.split_last().map_or(&[][..], |(_, before)| before);
        let head = EveryHeader([before, &[&last]].concat());
        let client = proxies.client_ip(&head).expect("it is known");
        assert_eq!(client, IpAddr::from([192, 0, 2, 1]));
    }
}

/// The first bytes of a connection with the PROXY protocol: the header is within its bound, and the same whatever follows.
pub fn proxy_header(input: &[u8]) {
    let found = ProxyHeader::read(input);
    let Ok(Some(header)) = found else {
        return;
    };
    assert!(header.length <= input.len().min(MAX_PROXY_HEADER_BYTES));
    assert_eq!(ProxyHeader::read(&input[..header.length]), found);
    assert_eq!(ProxyHeader::read(&input[..header.length - 1]), Ok(None));
}

/// A request in which each header has these values.
struct EveryHeader<'a>(Vec<&'a [u8]>);

impl RequestHead for EveryHeader<'_> {
    fn method(&self) -> &'static str {
        "POST"
    }

    fn version(&self) -> Version {
        Version::HTTP_11
    }

    fn query(&self) -> &'static str {
        ""
    }

    fn peer_ip(&self) -> Option<IpAddr> {
        None
    }

    fn header(&self, _name: &str) -> Option<&[u8]> {
        self.0.first().copied()
    }

    fn header_values<'a>(&'a self, _name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().copied()
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
}

fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n');
    end.map_or((input, &[]), |end| (&input[..end], &input[end + 1..]))
}
