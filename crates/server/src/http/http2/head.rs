//! The head of a request, for the routes and for actix.

use std::net::{IpAddr, SocketAddr};

use actix_http::{Payload, Request};
use actix_web::http::{
    Method, Uri, Version,
    header::{HeaderName, HeaderValue},
};
use http::{header, request::Parts};

use sse_broadcaster_http::RequestHead;

/// The request is malformed (RFC 9113, section 8.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Malformed;

/// The head of a request, as the routes expect it: with one `Host`, and one `Cookie`.
pub(super) struct Head {
    pub(super) parts: Parts,
    pub(super) peer: Option<SocketAddr>,
}

impl Head {
    pub(super) fn new(mut parts: Parts, peer: Option<SocketAddr>) -> Result<Self, Malformed> {
        set_host(&mut parts)?;
        join_cookies(&mut parts)?;
        Ok(Self { parts, peer })
    }

    /// The same request for actix.
    pub(super) fn into_request(self, payload: Payload) -> Result<Request, Malformed> {
        let mut request = Request::with_payload(payload);
        let head = request.head_mut();
        head.version = Version::HTTP_2;
        head.peer_addr = self.peer;
        let method = self.parts.method.as_str().as_bytes();
        head.method = Method::from_bytes(method).map_err(|_| Malformed)?;
        let path = self.parts.uri.path_and_query();
        let path = path.map_or("/", |path| path.as_str());
        head.uri = path.parse::<Uri>().map_err(|_| Malformed)?;
        for (name, value) in &self.parts.headers {
            let name = HeaderName::from_bytes(name.as_str().as_bytes());
            let value = HeaderValue::from_bytes(value.as_bytes());
            let (Ok(name), Ok(value)) = (name, value) else {
                return Err(Malformed);
            };
            request.headers_mut().append(name, value);
        }
        Ok(request)
    }
}

/// `:authority` takes the place of `Host`. Where both are sent they must be the same (RFC 9113, section 8.3.1): else a
/// proxy may have decided by another name.
fn set_host(parts: &mut Parts) -> Result<(), Malformed> {
    let mut hosts = parts.headers.get_all(header::HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Malformed);
    }
    let Some(authority) = parts.uri.authority() else {
        return Ok(());
    };
    let authority = authority.as_str();
    match host {
        Some(host) if host.as_bytes().eq_ignore_ascii_case(authority.as_bytes()) => {}
        Some(_) => return Err(Malformed),
        None => {
            let host = authority.parse().map_err(|_| Malformed)?;
            parts.headers.insert(header::HOST, host);
        }
    }
    Ok(())
}

/// Cookies may be split over several headers, to be compressed better (RFC 9113, section 8.2.3).
fn join_cookies(parts: &mut Parts) -> Result<(), Malformed> {
    let cookies = parts.headers.get_all(header::COOKIE).iter();
    let cookies: Vec<&[u8]> = cookies.map(header::HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        let joined = header::HeaderValue::from_bytes(&cookies.join(&b"; "[..]));
        let joined = joined.map_err(|_| Malformed)?;
        parts.headers.insert(header::COOKIE, joined);
    }
    Ok(())
}

impl RequestHead for Head {
    fn method(&self) -> &str {
        self.parts.method.as_str()
    }

    fn version(&self) -> http::Version {
        http::Version::HTTP_2
    }

    fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or("")
    }

    fn peer_ip(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.ip())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let value = self.parts.headers.get(name);
        value.map(header::HeaderValue::as_bytes)
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let values = self.parts.headers.get_all(name).iter();
        values.map(header::HeaderValue::as_bytes)
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.parts.headers.keys().map(header::HeaderName::as_str)
    }
}

#[cfg(test)]
mod tests {
    use actix_http::HttpMessage as _;

    use super::*;

    fn head(uri: &str, headers: &[(&'static str, &str)]) -> Result<Head, Malformed> {
        let request = headers.iter().fold(
            http::Request::builder().uri(uri),
            |request, (name, value)| request.header(*name, *value),
        );
        Head::new(request.body(()).unwrap().into_parts().0, None)
    }

    #[test]
    fn the_authority_is_the_host_and_may_not_differ_from_one() {
        let host = |head: Head| String::from_utf8(head.header("host").unwrap().to_vec()).unwrap();
        let uri = "http://a.example:8000/events";
        assert_eq!(head(uri, &[]).map(host), Ok("a.example:8000".into()));
        let same = head(uri, &[("host", "A.example:8000")]);
        assert_eq!(same.map(host), Ok("A.example:8000".into()));
        assert!(head(uri, &[("host", "a.example")]).is_err());
        let host_alone = head("/events", &[("host", "b")]);
        assert_eq!(host_alone.map(host), Ok("b".into()));
        assert!(head("/events", &[("host", "b"), ("host", "b")]).is_err());
    }

    #[test]
    fn cookies_are_joined_and_other_headers_are_not() {
        let head = head(
            "/",
            &[("cookie", "a=1"), ("x", "1"), ("cookie", "b=2"), ("x", "2")],
        );
        let head = head.unwrap();
        assert_eq!(head.header("cookie"), Some(&b"a=1; b=2"[..]));
        assert_eq!(head.header_values("x").count(), 2);
        let request = head.into_request(Payload::None).unwrap();
        let cookies = request
            .headers()
            .get_all("cookie")
            .map(actix_http::header::HeaderValue::as_bytes);
        assert_eq!(cookies.collect::<Vec<_>>(), [b"a=1; b=2"]);
        assert_eq!(request.headers().get_all("x").count(), 2);
        assert_eq!(request.version(), Version::HTTP_2);
    }
}
