//! The head of a request of actix-web, for the routes.

use std::{net::IpAddr, rc::Rc};

use actix_web::{
    HttpRequest, dev,
    http::{
        Version,
        header::{HeaderName, HeaderValue},
    },
};
use sse_broadcaster_http::RequestHead;

use crate::{headers::listed, link::Link};

/// The head of a request, and the [`Link`] to its connection if that is the server's own.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    head: &'a dev::RequestHead,
    link: Option<&'a Link>,
}

impl<'a> From<&'a dev::RequestHead> for Head<'a> {
    fn from(head: &'a dev::RequestHead) -> Self {
        Self { head, link: None }
    }
}

impl<'a> From<&'a HttpRequest> for Head<'a> {
    fn from(request: &'a HttpRequest) -> Self {
        Self {
            head: request.head(),
            link: request.conn_data::<Rc<Link>>().map(|link| &**link),
        }
    }
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.head.method.as_str()
    }

    fn version(&self) -> http::Version {
        match self.head.version {
            Version::HTTP_09 => http::Version::HTTP_09,
            Version::HTTP_10 => http::Version::HTTP_10,
            Version::HTTP_2 => http::Version::HTTP_2,
            Version::HTTP_3 => http::Version::HTTP_3,
            _ => http::Version::HTTP_11,
        }
    }

    fn query(&self) -> &str {
        self.head.uri.query().unwrap_or("")
    }

    fn peer_ip(&self) -> Option<IpAddr> {
        self.head.peer_addr.map(|address| address.ip())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let headers = &self.head.headers;
        let value = match listed(name) {
            Some(name) => headers.get(name),
            None => headers.get(name),
        };
        value.map(HeaderValue::as_bytes)
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let headers = &self.head.headers;
        let values = match listed(name) {
            Some(name) => headers.get_all(name),
            None => headers.get_all(name),
        };
        values.map(HeaderValue::as_bytes)
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.head.headers.keys().map(HeaderName::as_str)
    }

    fn set_committing(&self, committing: bool) {
        if let Some(link) = self.link {
            link.set_committing(committing);
        }
    }
}
