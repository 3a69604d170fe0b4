//! What a client may do, by the token that it sends.

use sse_broadcaster_access::{AuthorizeError, Origin, issuer::Purpose, token::is_access_token};
use sse_broadcaster_http::{AppState, Client, RequestHead, query};

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
    state: &AppState,
    request: &impl RequestHead,
    purpose: Purpose,
    address: &Address,
) -> Result<Authorized, Failure> {
    let sent = hub.authorization.sent_by(state.client_ip(request), request);
    let query_token = query_token(request);
    // A token in the query comes before one in a cookie.
    let in_cookies = || {
        let mut names = COOKIES.iter();
        names.find_map(|name| sent.cookie(name, |value| !value.is_empty()))
    };
    let cookie_token = query_token.is_none().then(in_cookies).flatten();
    let credentials = sent
        .credentials(purpose)
        .query_token(query_token.as_deref())
        .cookie_token(cookie_token);
    let credentials = match address.audience() {
        Some(audience) => credentials.resource(audience),
        None => credentials,
    };
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

/// The token in a query, which only version 0.x has there.
fn query_token(request: &impl RequestHead) -> Option<String> {
    let mut pairs = query::lossy_pairs(request.query().as_bytes());
    let token = pairs.find(|(name, value)| name == QUERY_TOKEN && !value.is_empty());
    let token = token.map(|(_, token)| token);
    token.filter(|token| !is_access_token(token))
}
