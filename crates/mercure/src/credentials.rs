//! What a client may do, by the token that it sends.

use std::borrow::Cow;

use sse_broadcaster_access::{
    AuthorizeError, Credentials, Origin, authorize::cookie_value, issuer::Purpose,
    token::is_access_token,
};
use sse_broadcaster_http::{Client, RequestHead, query};

use crate::{Hub, Version, address::Address, failure::Failure};

/// The names of the cookie with a token, of version 1.0 and of 0.x.
pub(crate) const COOKIES: [&str; 2] = ["__Secure-mercure_access_token", "mercureAuthorization"];
/// The query parameter with a token, of version 0.x alone.
const QUERY_TOKEN: &str = "authorization";

/// A client, and the version of its token; `None` without one.
pub(crate) struct Authorized {
    pub(crate) client: Client,
    pub(crate) version: Option<Version>,
}

/// Finds out who the client of a request is.
///
/// # Errors
/// 401 for a token that is not valid; 400 for a malformed header; 503 while it cannot be checked.
pub(crate) async fn authorized(
    hub: &Hub,
    request: &impl RequestHead,
    purpose: Purpose,
    address: &Address,
) -> Result<Authorized, Failure> {
    let sent = Sent::read(hub, request);
    let credentials = sent.credentials(purpose, address);
    let sent_version = match credentials.token() {
        Ok(Some((_, token))) if is_access_token(token) => Some(Version::One),
        Ok(Some(_)) => Some(Version::Zero),
        _ => None,
    };
    let client = hub.authorization.client_by(&credentials).await;
    let refused = |error: AuthorizeError| Failure::token(error).of(sent_version);
    let client = client.map_err(refused)?;
    let version = match client.grants().origin() {
        Origin::AccessToken => Some(Version::One),
        Origin::Anonymous => None,
        _ => Some(sent_version.unwrap_or(Version::Zero)),
    };
    Ok(Authorized { client, version })
}

/// What a request has that may identify its client.
struct Sent<'a> {
    authorizations: Vec<&'a [u8]>,
    cookies: Vec<&'a str>,
    query_token: Option<String>,
    headers: Vec<(&'a str, Cow<'a, str>)>,
}

impl<'a> Sent<'a> {
    fn read(hub: &'a Hub, request: &'a impl RequestHead) -> Self {
        let text = |value: &'a [u8]| str::from_utf8(value).ok();
        let mut pairs = query::lossy_pairs(request.query().as_bytes());
        let token = pairs.find(|(name, value)| name == QUERY_TOKEN && !value.is_empty());
        let token = token.map(|(_, token)| token);
        let wanted = hub.authorization.wanted_headers().iter();
        let headers = wanted.flat_map(|name| {
            let values = request.header_values(name).map(String::from_utf8_lossy);
            values.map(|value| (&name[..], value))
        });
        Self {
            authorizations: request.header_values("authorization").collect(),
            cookies: request.header_values("cookie").filter_map(text).collect(),
            query_token: token.filter(|token| !is_access_token(token)),
            headers: headers.collect(),
        }
    }

    /// A token in the query comes before one in a cookie.
    fn credentials<'b>(&'b self, purpose: Purpose, address: &'b Address) -> Credentials<'b> {
        let in_cookies = |name: &str| {
            let mut headers = self.cookies.iter();
            headers.find_map(|header| cookie_value(header, name).filter(|value| !value.is_empty()))
        };
        let cookie = COOKIES.iter().find_map(|name| in_cookies(name));
        let mut credentials = Credentials::new(purpose)
            .resource(address.hub())
            .query_token(self.query_token.as_deref())
            .cookie_token(cookie.filter(|_| self.query_token.is_none()));
        for value in &self.authorizations {
            credentials = credentials.authorization(value);
        }
        for header in &self.cookies {
            credentials = credentials.cookies(header);
        }
        for (name, value) in &self.headers {
            credentials = credentials.header(name, value);
        }
        credentials
    }
}
