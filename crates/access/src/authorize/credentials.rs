use std::{fmt, net::IpAddr};

use crate::{
    issuer::Purpose,
    token::{Check, TokenError},
};

/// What a client sent to identify itself, without any framework.
#[derive(Clone)]
#[must_use]
pub struct Credentials<'a> {
    purpose: Purpose,
    resource: Option<&'a str>,
    authorization: Option<&'a [u8]>,
    has_several_authorizations: bool,
    cookie_token: Option<&'a str>,
    query_token: Option<&'a str>,
    cookies: Vec<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
    address: Option<IpAddr>,
    traceparent: Option<&'a str>,
}

/// Where a token was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// `Authorization: Bearer`.
    Header,
    /// A cookie, which a browser sends by itself: on requests that write, `Origin` or `Referer` must be checked.
    Cookie,
    /// The query, which must not appear in logs.
    Query,
}

impl<'a> Credentials<'a> {
    /// None yet.
    pub fn new(purpose: Purpose) -> Self {
        Self {
            purpose,
            resource: None,
            authorization: None,
            has_several_authorizations: false,
            cookie_token: None,
            query_token: None,
            cookies: Vec::new(),
            headers: Vec::new(),
            address: None,
            traceparent: None,
        }
    }

    /// The public URL of what is asked for; see [`Context`](crate::token::Context).
    pub fn resource(mut self, url: &'a str) -> Self {
        self.resource = Some(url);
        self
    }

    /// A header `Authorization`. Called for each of several, it makes them an error.
    pub fn authorization(mut self, value: &'a [u8]) -> Self {
        self.has_several_authorizations |= self.authorization.is_some();
        self.authorization = Some(value);
        self
    }

    /// The value of the cookie with a token, if there is one.
    pub fn cookie_token(mut self, token: Option<&'a str>) -> Self {
        self.cookie_token = token.filter(|token| !token.is_empty());
        self
    }

    /// The value of the query parameter with a token, if there is one, and the settings allow it.
    pub fn query_token(mut self, token: Option<&'a str>) -> Self {
        self.query_token = token;
        self
    }

    /// A header `Cookie`, for the application.
    pub fn cookies(mut self, header: &'a str) -> Self {
        self.cookies.push(header);
        self
    }

    /// One of the [wanted headers](super::Authorize::wanted_headers), for the application.
    pub fn header(mut self, name: &'a str, value: &'a str) -> Self {
        self.headers.push((name, value));
        self
    }

    /// Where the request came from. Where requests have to wait for the application, addresses take turns.
    pub fn address(mut self, address: Option<IpAddr>) -> Self {
        self.address = address;
        self
    }

    /// The trace that the request belongs to, by W3C Trace Context, for a request that has to be made for it. It is no
    /// part of what identifies the client.
    pub fn traceparent(mut self, traceparent: Option<&'a str>) -> Self {
        self.traceparent = traceparent;
        self
    }

    pub(super) fn trace(&self) -> Option<&'a str> {
        self.traceparent
    }

    pub(super) fn sent_from(&self) -> Option<IpAddr> {
        self.address
    }

    /// The token, and where it was: in the header, else in the cookie, else in the query.
    ///
    /// # Errors
    /// A header that is not `Bearer` and a token. It never falls back to a cookie, which may be another user's.
    pub fn token(&self) -> Result<Option<(Source, &'a str)>, TokenError> {
        if self.has_several_authorizations {
            let why = "there is more than one Authorization header";
            return Err(TokenError::new(Check::Header(why)));
        }
        if let Some(header) = self.authorization {
            return Ok(Some((Source::Header, bearer(header)?)));
        }
        let of_cookie = self.cookie_token.map(|token| (Source::Cookie, token));
        let of_query = || self.query_token.map(|token| (Source::Query, token));
        Ok(of_cookie.or_else(of_query))
    }

    pub(super) fn purpose(&self) -> Purpose {
        self.purpose
    }

    pub(super) fn audience(&self) -> Option<&'a str> {
        self.resource
    }

    pub(super) fn cookie_headers(&self) -> &[&'a str] {
        &self.cookies
    }

    pub(super) fn headers_named(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let is_it = move |header: &&(&str, &str)| header.0.eq_ignore_ascii_case(name);
        self.headers.iter().filter(is_it).map(|(_, value)| *value)
    }
}

fn bearer(header: &[u8]) -> Result<&str, TokenError> {
    let wrong = |why| TokenError::new(Check::Header(why));
    let header = str::from_utf8(header);
    let header = header.map_err(|_| wrong("the Authorization header is not UTF-8"))?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(wrong(
            "the scheme of the Authorization header is not Bearer",
        ));
    }
    let token = token.trim_matches(' ');
    if token.is_empty() || token.contains(char::is_whitespace) {
        return Err(wrong("the Authorization header does not have one token"));
    }
    Ok(token)
}

/// Without what identifies the client.
impl fmt::Debug for Credentials<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("purpose", &self.purpose)
            .field("authorization", &self.authorization.is_some())
            .field("cookie_token", &self.cookie_token.is_some())
            .field("query_token", &self.query_token.is_some())
            .field("cookies", &self.cookies.len())
            .field("headers", &self.headers.len())
            .finish_non_exhaustive()
    }
}

/// The value of the first cookie of this name in a header `Cookie`.
#[must_use]
pub fn cookie_value<'a>(header: &'a str, name: &str) -> Option<&'a str> {
    let cookies = header
        .split(';')
        .filter_map(|cookie| cookie.split_once('='));
    let mut of_name = cookies.filter(|(of, _)| of.trim() == name);
    let (_, value) = of_name.next()?;
    let value = value.trim();
    let unquoted = value
        .strip_prefix('"')
        .and_then(|value| value.strip_suffix('"'));
    Some(unquoted.unwrap_or(value))
}
