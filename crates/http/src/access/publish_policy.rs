//! Who may publish. With keys, the key decides. Without, these are checked in order: the page, the name of the
//! server, and where the request comes from.

use http::Version;

use super::{
    authorization::Authorization,
    bearer::bearer,
    client::grant_missing,
    host::{Authority, is_same_origin, parse_origin},
    key_ring::KeyRing,
    permit::Permit,
    rules::{Access, AdmittedOrigin, Publishers},
};
use crate::{Refusal, RequestHead};
use sse_broadcaster::internal::Shown;

/// Headers that proxies add.
const PROXY_HEADERS: [&str; 4] = ["forwarded", "x-real-ip", "via", "cf-connecting-ip"];
/// Headers of requests that a browser sends before its user has done anything.
const PURPOSE_HEADERS: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

pub(super) fn is_prefetch(request: &impl RequestHead) -> bool {
    PURPOSE_HEADERS
        .into_iter()
        .filter_map(|name| request.header_text(name))
        .any(|purpose| purpose.contains("prefetch") || purpose.contains("preview"))
}

pub(super) fn came_through_a_proxy(request: &impl RequestHead) -> bool {
    let mut names = request.header_names();
    names.any(|name| PROXY_HEADERS.contains(&name) || name.starts_with("x-forwarded-"))
}

impl Access {
    /// Checks whether a request may publish, by these rules alone. Routes of an application rather use
    /// [`AppState::may_publish`](crate::AppState::may_publish), which has grants as well, and for which a page of `http` is
    /// of another site than a server that is reached by `https`.
    ///
    /// # Errors
    /// 401 without a valid key, where keys are needed; 403 for a client or a page that may not publish. The detail
    /// names the setting that would admit it.
    pub fn may_publish(&self, request: &impl RequestHead) -> Result<Permit, Refusal> {
        self.may_publish_by(request.method(), request)
    }

    /// The same, as if the request had this method: the handshake of a WebSocket is a `GET`, but its messages
    /// publish as a `POST` does.
    ///
    /// # Errors
    /// As [`may_publish`](Self::may_publish).
    pub fn may_publish_by(
        &self,
        method: &str,
        request: &impl RequestHead,
    ) -> Result<Permit, Refusal> {
        self.may_publish_without_grant(method, request, "http", None)
    }

    /// The same for a client without a grant that reaches the server by this scheme; a refusal says how it can get one.
    pub(super) fn may_publish_without_grant(
        &self,
        method: &str,
        request: &impl RequestHead,
        own_scheme: &str,
        authorization: Option<&Authorization>,
    ) -> Result<Permit, Refusal> {
        self.check_enabled()?;
        if let Publishers::Keys(keys) = &self.publishers {
            let has_grants = authorization.is_some_and(Authorization::is_enabled);
            return check_key(keys, request, has_grants);
        }
        if matches!(self.publishers, Publishers::Granted) {
            let how = authorization.map_or_else(
                || "use a route that reads tokens or sessions".to_owned(),
                Authorization::how_to_get_a_grant,
            );
            return Err(grant_missing("publishing", &how));
        }
        if is_prefetch(request) {
            return Err(Refusal::forbidden(
                "prefetch",
                "a prefetch does not publish; send the request without the header that marks it as one",
            ));
        }
        if !self.is_publish_origin(request.header_text("origin")) {
            check_site(method, request, own_scheme)?;
            self.check_rebinding(request)?;
        }
        if matches!(self.publishers, Publishers::Local) {
            check_local(request)?;
        }
        Ok(Permit::default())
    }

    /// Checks that publishing is not disabled for every client.
    ///
    /// # Errors
    /// 403 `publishing_disabled` for [`Publishers::Nobody`].
    pub fn check_enabled(&self) -> Result<(), Refusal> {
        if matches!(self.publishers, Publishers::Nobody) {
            return Err(Refusal::forbidden(
                "publishing_disabled",
                "publishing over HTTP is disabled on this server (--no-publish)",
            ));
        }
        Ok(())
    }

    pub(super) fn is_publish_origin(&self, origin: Option<&str>) -> bool {
        origin.is_some_and(|origin| {
            let admitted = |known: &String| known.eq_ignore_ascii_case(origin);
            self.publish_origins.iter().any(admitted)
        })
    }

    /// DNS rebinding: a page whose name was pointed at this machine after it had loaded is of the same origin for
    /// its browser. Only the name shows it.
    pub(super) fn check_rebinding(&self, request: &impl RequestHead) -> Result<(), Refusal> {
        if request.header_text("origin").is_none()
            && request.header_text("sec-fetch-site").is_none()
        {
            return Ok(());
        }
        let host = request.header_text("host").unwrap_or("");
        if self.is_own_name(host, self.publish_origins.iter()) {
            return Ok(());
        }
        let host = Shown(host);
        Err(Refusal::forbidden(
            "foreign_host",
            format!(
                "a page under the name {host} may not publish here; start the server with \
                 --publish-origin and that page's origin (https://{host}), or set a --publish-key"
            ),
        ))
    }

    /// A name that nobody else can point at this server, or one that the settings or these origins name. Ports do
    /// not matter, since name servers do not have them.
    pub(super) fn is_own_name<'a>(
        &self,
        host: &str,
        origins: impl Iterator<Item = &'a String>,
    ) -> bool {
        Authority::parse(host).is_some_and(|host| host.is_address())
            || self.is_known_name(host, origins)
    }

    /// The same without addresses, which may be those of another server.
    pub(super) fn is_known_name<'a>(
        &self,
        host: &str,
        mut origins: impl Iterator<Item = &'a String>,
    ) -> bool {
        Authority::parse(host).is_some_and(|host| {
            host.is_loopback()
                || self.hosts.iter().any(|name| host.has_name(name))
                || origins.any(|origin| {
                    parse_origin(origin).is_some_and(|(_, known)| host.is_same_name(&known))
                })
        })
    }

    /// The origin to admit in a response to a publisher, if any.
    #[must_use]
    pub fn publisher_origin(&self, request: &impl RequestHead) -> Option<AdmittedOrigin> {
        let is_listed = self.is_publish_origin(request.header_text("origin"));
        is_listed.then_some(AdmittedOrigin::Listed)
    }
}

fn check_key(
    keys: &KeyRing,
    request: &impl RequestHead,
    has_grants: bool,
) -> Result<Permit, Refusal> {
    let or_grant = if has_grants {
        "; a token or a session that grants publishing does, too"
    } else {
        ""
    };
    let sent = request.header("authorization").and_then(bearer);
    match sent.map(|key| keys.find(key)) {
        Some(Some(key)) => Ok(Permit::of_key(&key)),
        Some(None) => Err(Refusal::unauthorized(
            "wrong_key",
            format!(
                "the key is not one of this server's publish keys (--publish-key); send one of these{or_grant}"
            ),
        )),
        None => Err(Refusal::unauthorized(
            "key_missing",
            format!(
                "publishing needs a key: send the header \"Authorization: Bearer <key>\" with a publish key of the \
                 server (--publish-key){or_grant}"
            ),
        )),
    }
}

/// A page of another site can make a browser send a request, but the browser's headers show it.
fn check_site(method: &str, request: &impl RequestHead, own_scheme: &str) -> Result<(), Refusal> {
    let refused = |detail: &str| Err(Refusal::forbidden("foreign_page", detail));
    if let Some(site) = request.header_text("sec-fetch-site") {
        return match site {
            "same-origin" | "none" => Ok(()),
            _ => refused(
                "a page of another site may not publish here; start the server with \
                 --publish-origin and that page's origin to admit it",
            ),
        };
    }
    if let Some(origin) = request.header_text("origin") {
        return if is_same_origin(origin, request.header_text("host"), own_scheme) {
            Ok(())
        } else {
            refused(
                "the Origin is not this server's own; start the server with --publish-origin and \
                 that origin to admit it",
            )
        };
    }
    let agent = request.header_text("user-agent").unwrap_or("");
    if method == "GET" && agent.contains("Mozilla/") {
        return refused(
            "this GET of a browser does not show which page sent it, so it does not publish; send a POST to \
             /events, or use the command: sse-broadcaster publish TEXT",
        );
    }
    Ok(())
}

fn check_local(request: &impl RequestHead) -> Result<(), Refusal> {
    let refused = |what: &str| {
        Err(Refusal::forbidden(
            "not_local",
            format!(
                "{what}, and only programs on this machine may publish here; start the server with \
                 --publish-key (or --allow-anonymous-publish) to admit others"
            ),
        ))
    };
    if request.version() < Version::HTTP_11 {
        return refused("the request came over HTTP/1.0, as proxies send it");
    }
    if came_through_a_proxy(request) {
        return refused("the request came through a proxy");
    }
    match request.header_text("host") {
        Some(host) if Authority::parse(host).is_some_and(|host| host.is_loopback()) => Ok(()),
        Some(_) => refused("the request's Host is not a name of this machine such as localhost"),
        None => refused("the request has no Host"),
    }
}

#[cfg(test)]
#[path = "publish_policy_tests.rs"]
mod tests;
