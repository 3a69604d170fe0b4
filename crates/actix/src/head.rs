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

use crate::{headers::of_request, link::Link};

/// The head of a request, and the [`Link`] to its connection if that is the server's own.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    request: &'a dev::RequestHead,
    sent: NameFilter,
    link: Option<Rc<Link>>,
}

impl<'a> From<&'a dev::RequestHead> for Head<'a> {
    fn from(head: &'a dev::RequestHead) -> Self {
        Self {
            request: head,
            sent: NameFilter::of(head),
            link: None,
        }
    }
}

impl<'a> From<&'a HttpRequest> for Head<'a> {
    fn from(request: &'a HttpRequest) -> Self {
        Self {
            link: Link::of(request),
            ..Self::from(request.head())
        }
    }
}

impl RequestHead for Head<'_> {
    fn method(&self) -> &str {
        self.request.method.as_str()
    }

    fn version(&self) -> http::Version {
        match self.request.version {
            Version::HTTP_09 => http::Version::HTTP_09,
            Version::HTTP_10 => http::Version::HTTP_10,
            Version::HTTP_2 => http::Version::HTTP_2,
            Version::HTTP_3 => http::Version::HTTP_3,
            _ => http::Version::HTTP_11,
        }
    }

    fn query(&self) -> &str {
        self.request.uri.query().unwrap_or("")
    }

    fn peer_ip(&self) -> Option<IpAddr> {
        self.request.peer_addr.map(|address| address.ip())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        if !self.sent.may_contain(name) {
            return None;
        }
        let headers = &self.request.headers;
        let value = match of_request(name) {
            Some(name) => headers.get(name),
            None => headers.get(name),
        };
        value.map(HeaderValue::as_bytes)
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let headers = &self.request.headers;
        let values = self.sent.may_contain(name).then(|| match of_request(name) {
            Some(name) => headers.get_all(name),
            None => headers.get_all(name),
        });
        values.into_iter().flatten().map(HeaderValue::as_bytes)
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.request.headers.keys().map(HeaderName::as_str)
    }

    fn set_committing(&self, committing: bool) {
        if let Some(link) = &self.link {
            link.set_committing(committing);
        }
    }
}

/// Which names a request's headers may have. The routes ask for many headers that few requests have, and each
/// lookup hashes the name.
#[derive(Debug, Clone, Copy)]
struct NameFilter(u64);

impl NameFilter {
    fn of(head: &dev::RequestHead) -> Self {
        let names = head.headers.keys().map(HeaderName::as_str);
        Self(names.fold(0, |bits, name| bits | Self::bit(name)))
    }

    /// False only for a name that no header has.
    fn may_contain(self, name: &str) -> bool {
        self.0 & Self::bit(name) != 0
    }

    fn bit(name: &str) -> u64 {
        let [first, .., last] = name.as_bytes() else {
            return 1;
        };
        let hash = 5 * name.len() + 3 * usize::from(*first) + usize::from(*last);
        1 << (hash % 64)
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn every_header_of_a_request_is_found_and_no_other() {
        let names = (0..96).map(|number| format!("x-{}{number}", "y".repeat(number % 20)));
        let names: Vec<String> = names.collect();
        let (sent, missing) = names.split_at(48);
        let request = sent.iter().fold(TestRequest::default(), |request, name| {
            request.insert_header((name.as_str(), name.as_str()))
        });
        let request = request.to_http_request();
        let head = Head::from(&request);
        assert!(
            sent.iter()
                .all(|name| head.header(name) == Some(name.as_bytes()))
        );
        assert!(missing.iter().all(|name| head.header(name).is_none()));
    }
}
