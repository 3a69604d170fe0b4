//! Who may publish, by grants or by the rules.

use sse_broadcaster_access::issuer::Purpose;

use super::{
    bearer::{bearer, is_token},
    host::is_same_origin,
    permit::Permit,
    publish_policy::is_prefetch,
    rules::{Access, Publishers},
};
use crate::{AppState, Refusal, RequestHead};

/// The permission of the client of a request, as if the request had this method. A key of operators or a publish key
/// comes first, then grants, then the rules for everybody.
///
/// # Errors
/// Those of [`Access::may_publish`] and of [`Authorization::client`](super::Authorization::client); 403
/// `foreign_page` where a cookie identifies the client, and the page is of another site.
pub(crate) async fn publisher(
    state: &AppState,
    method: &str,
    request: &impl RequestHead,
) -> Result<Permit, Refusal> {
    let access = state.gate.access();
    if let Some(key) = state.authorization.operator_key(request) {
        access.check_enabled()?;
        let permit = Permit::of_key(&key);
        return Ok(permit.with_private_events(state.authorization.has_private_events()));
    }
    let granted = by_grants(state, &access, request).await?;
    let scheme = state.scheme(request);
    let by_rules =
        || access.may_publish_without_grant(method, request, scheme, Some(&state.authorization));
    let permit = granted.map_or_else(by_rules, Ok)?;
    Ok(permit.with_private_events(state.authorization.has_private_events()))
}

async fn by_grants(
    state: &AppState,
    access: &Access,
    request: &impl RequestHead,
) -> Result<Option<Permit>, Refusal> {
    let is_asked = state.authorization.is_enabled() && !decides_by_key(access, request);
    if !is_asked || matches!(access.publishers, Publishers::Nobody) {
        return Ok(None);
    }
    let client = state
        .authorization
        .client(request, Purpose::Publish)
        .await?;
    if client.grants().publish().is_empty() {
        let needs_grant = matches!(access.publishers, Publishers::Granted | Publishers::Keys(_));
        if client.is_identified() && needs_grant {
            return Err(client.nothing_granted("publishing to"));
        }
        return Ok(None);
    }
    if client.is_by_cookie() {
        let checked = access.check_cookie_page(request, state.scheme(request));
        checked.map_err(|refusal| refusal.of_client(client.grants()))?;
    }
    Ok(Some(Permit::of_client(client)))
}

/// Whether a publish key is to decide: there are keys, and what was sent is one of them, or is no token either.
fn decides_by_key(access: &Access, request: &impl RequestHead) -> bool {
    let Publishers::Keys(keys) = &access.publishers else {
        return false;
    };
    let sent = request.header("authorization").and_then(bearer);
    sent.is_some_and(|key| keys.find(key).is_some() || !is_token(key))
}

impl Access {
    /// Checks the page of a request that publishes, where a cookie identifies its client. A browser adds cookies to
    /// requests that pages of other sites make, and only the page's origin shows it. Clients reach the server by this
    /// scheme, which is [`AppState::scheme`].
    ///
    /// # Errors
    /// 403 `foreign_page` for a page of another site that is not among the publish origins, and without `Origin` and
    /// `Referer`; 403 `foreign_host` for a page under a name that is not this server's.
    pub fn check_cookie_page(
        &self,
        request: &impl RequestHead,
        own_scheme: &str,
    ) -> Result<(), Refusal> {
        let refused = |detail| Err(Refusal::forbidden("foreign_page", detail));
        if is_prefetch(request) {
            return refused(
                "a prefetch does not publish; send the request without the header that marks it as one",
            );
        }
        let origin = request
            .header_text("origin")
            .or_else(|| origin_of_referer(request));
        if self.is_publish_origin(origin) {
            return Ok(());
        }
        let Some(origin) = origin else {
            return refused(
                "a cookie identifies the client, and the request has neither Origin nor Referer; send one of them, \
                 or the token in the header Authorization",
            );
        };
        if !is_same_origin(origin, request.header_text("host"), own_scheme) {
            return refused(
                "a page of another site may not publish with a cookie; start the server with --publish-origin and \
                 that page's origin to admit it",
            );
        }
        self.check_rebinding(request)
    }
}

fn origin_of_referer(request: &impl RequestHead) -> Option<&str> {
    let referer = request.header_text("referer")?;
    let (scheme, rest) = referer.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    Some(&referer[..scheme.len() + "://".len() + authority.len()])
}
