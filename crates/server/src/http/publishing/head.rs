//! The head of a request to publish, as the routes read it.

use std::net::IpAddr;

use bytes::Bytes;
use http::Version;

use sse_broadcaster_http::RequestHead;

/// Where something is in the bytes of a request.
pub(super) type Span = (u16, u16);

/// The head of a request to publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) peer: Option<IpAddr>,
    bytes: Bytes,
    query: Span,
    /// The names, in lower case, and the values.
    pub(super) headers: Vec<(Span, Span)>,
}

impl Head {
    pub(super) fn new(bytes: Bytes, query: Span, headers: Vec<(Span, Span)>) -> Self {
        Self {
            peer: None,
            bytes,
            query,
            headers,
        }
    }

    pub(super) fn part(&self, (begin, end): Span) -> &[u8] {
        self.bytes.get(begin.into()..end.into()).unwrap_or_default()
    }

    pub(super) fn text(&self, span: Span) -> &str {
        std::str::from_utf8(self.part(span)).unwrap_or_default()
    }

    fn values(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let headers = self.headers.iter();
        let named = headers.filter(move |(own, _)| self.part(*own) == name);
        named.map(|(_, value)| self.part(*value))
    }
}

impl RequestHead for Head {
    fn method(&self) -> &'static str {
        "POST"
    }

    fn version(&self) -> Version {
        Version::HTTP_11
    }

    fn query(&self) -> &str {
        self.text(self.query)
    }

    fn peer_ip(&self) -> Option<IpAddr> {
        self.peer
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.values(name.as_bytes()).next()
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.values(name.as_bytes())
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| self.text(*name))
    }
}
