//! What a request has that may identify its client, for credentials that borrow it.

use std::{borrow::Cow, net::IpAddr};

use sse_broadcaster_access::{Credentials, authorize::cookie_value, issuer::Purpose};

use super::address_limit::network_of;
use crate::{RequestHead, traces::traceparent};

/// The headers of a request that may identify its client, for every protocol. Which cookie or parameter may have a token
/// is a matter of the protocol.
#[derive(Debug)]
pub struct SentCredentials<'a> {
    authorizations: Vec<&'a [u8]>,
    cookies: Vec<&'a str>,
    wanted: Vec<(&'a str, Cow<'a, str>)>,
    network: Option<IpAddr>,
    traceparent: Option<String>,
}

impl<'a> SentCredentials<'a> {
    /// Reads the headers that any authorization needs, and those that this one wants beside them.
    pub(super) fn read(
        wanted_headers: &'a [String],
        client: Option<IpAddr>,
        request: &'a impl RequestHead,
    ) -> Self {
        let text = |value: &'a [u8]| str::from_utf8(value).ok();
        let wanted = wanted_headers.iter().flat_map(|name| {
            let values = request.header_values(name).map(String::from_utf8_lossy);
            values.map(|value| (&name[..], value))
        });
        Self {
            authorizations: request.header_values("authorization").collect(),
            cookies: request.header_values("cookie").filter_map(text).collect(),
            wanted: wanted.collect(),
            network: client.map(network_of),
            traceparent: traceparent(request).map(|parent| parent.to_string()),
        }
    }

    /// The value of the first cookie of this name for which `is_it`.
    #[must_use]
    pub fn cookie(&self, name: &str, is_it: impl Fn(&str) -> bool) -> Option<&'a str> {
        let mut cookies = self.cookies.iter();
        cookies.find_map(|header| cookie_value(header, name).filter(|value| is_it(value)))
    }

    /// Credentials with these headers, without a token of a cookie or a parameter.
    pub fn credentials(&self, purpose: Purpose) -> Credentials<'_> {
        let cookies = self.cookies.iter();
        let credentials = self.credentials_of_headers(purpose);
        cookies.fold(credentials, |credentials, header| {
            credentials.cookies(header)
        })
    }

    /// The same without any cookie.
    pub fn credentials_of_headers(&self, purpose: Purpose) -> Credentials<'_> {
        let mut credentials = Credentials::new(purpose)
            .address(self.network)
            .traceparent(self.traceparent.as_deref());
        for value in &self.authorizations {
            credentials = credentials.authorization(value);
        }
        for (name, value) in &self.wanted {
            credentials = credentials.header(name, value);
        }
        credentials
    }
}
