//! The head of a request of axum, for the routes.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::ConnectInfo,
    http::{HeaderName, HeaderValue, Version, request::Parts},
};
use sse_broadcaster_http::RequestHead;

/// The head of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a>(pub(crate) &'a Parts);

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.0.method.as_str()
    }

    fn version(&self) -> Version {
        self.0.version
    }

    fn query(&self) -> &str {
        self.0.uri.query().unwrap_or("")
    }

    fn peer_ip(&self) -> Option<IpAddr> {
        let peer = self.0.extensions.get::<ConnectInfo<SocketAddr>>();
        peer.map(|ConnectInfo(address)| address.ip())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.headers.get(name).map(HeaderValue::as_bytes)
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let values = self.0.headers.get_all(name).iter();
        values.map(HeaderValue::as_bytes)
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.0.headers.keys().map(HeaderName::as_str)
    }
}
