//! The checks of requests that read: the name of the server, the origin of the page, and the address.

use std::{net::IpAddr, sync::Arc};

use parking_lot::{Mutex, RwLock};

use super::{
    address_limit::{AddressLimit, AddressSlot},
    host::{Authority, HTTP_PORT, is_same_origin},
    publish_policy::came_through_a_proxy,
    rules::{Access, AdmittedOrigin, Publishers},
};
use crate::{Refusal, RequestHead};
use sse_broadcaster::internal::Shown;

/// How many refused origins are remembered, so that each is logged once.
const MAX_LOGGED_ORIGINS: usize = 100;

/// The rules of access, and the counts that they need. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    access: Arc<RwLock<Arc<Access>>>,
    /// The port of the listener, if it listens on a loopback address.
    loopback_port: Option<u16>,
    per_address: AddressLimit,
    logged_origins: Arc<Mutex<Vec<String>>>,
}

impl Gate {
    /// A gate with these rules, for a listener that is not on a loopback address.
    #[must_use]
    pub fn new(access: Access) -> Self {
        let gate = Self::default();
        gate.replace(access);
        gate
    }

    /// Replaces the rules, for requests from now on. Streams that are open go on.
    pub fn replace(&self, access: Access) {
        *self.access.write() = Arc::new(access);
    }

    /// The same rules for one listener: `loopback_port` is its port if it listens on a loopback address.
    #[must_use]
    pub fn with_loopback_port(&self, loopback_port: Option<u16>) -> Self {
        Self {
            loopback_port,
            ..self.clone()
        }
    }

    /// The rules as they are now.
    #[must_use]
    pub fn access(&self) -> Arc<Access> {
        Arc::clone(&self.access.read())
    }

    /// Checks the `Host` of a request that reads, against DNS rebinding: a page whose name was pointed at this
    /// machine after it had loaded reads what its browser takes for the page's own server, and only the name shows
    /// it. A request without `Host` does not come from a browser and is admitted.
    ///
    /// # Errors
    /// 403 `foreign_host` for a name that [`Access::hosts`] does not admit.
    pub fn admit_host(&self, request: &impl RequestHead) -> Result<(), Refusal> {
        let Some(host) = request.header_text("host") else {
            return Ok(());
        };
        let access = self.access();
        let is_own = access.is_own_name(host, access.listed_origins());
        let is_any = match &access.hosts[..] {
            [] => self
                .loopback_port
                .is_none_or(|port| is_proxied(&access, request, host, port)),
            hosts => hosts.iter().any(|name| name == "*"),
        };
        if is_own || is_any {
            return Ok(());
        }
        Err(Refusal::forbidden(
            "foreign_host",
            format!(
                "the Host {} is not a name of this server; use its address or localhost, or start the server \
                 with --host and that name to admit it",
                Shown(host)
            ),
        )
        .with_reason("the Host is not a name of this server; start it with --host and that name"))
    }

    /// Whether the `Host` of a request is a name of this machine alone, or one that the settings list.
    #[must_use]
    pub fn is_known_host(&self, request: &impl RequestHead) -> bool {
        let host = request.header_text("host");
        let access = self.access();
        host.is_some_and(|host| access.is_known_name(host, access.listed_origins()))
    }

    /// How the page of a reader is admitted; `None` if it is not, and without a page.
    #[must_use]
    pub fn reader_origin(&self, request: &impl RequestHead) -> Option<AdmittedOrigin> {
        let origin = request.header_text("origin")?;
        let access = self.access();
        let admitted = access.read_origins.iter().find_map(|known| match known {
            any if any == "*" => Some(AdmittedOrigin::Any),
            known if known.eq_ignore_ascii_case(origin) => Some(AdmittedOrigin::Listed),
            _ => None,
        });
        if admitted.is_none() && !is_same_origin(origin, request.header_text("host"), "http") {
            self.log_refused(origin);
        }
        admitted
    }

    /// Checks the `Origin` of a WebSocket's handshake: browsers let pages of any site open one and read from it.
    ///
    /// # Errors
    /// 403 `foreign_page` for a page that may neither read nor publish here.
    pub fn admit_page(&self, request: &impl RequestHead, own_scheme: &str) -> Result<(), Refusal> {
        let Some(origin) = request.header_text("origin") else {
            return Ok(());
        };
        if self.may_publish_from(origin, request, own_scheme)
            || self.reader_origin(request).is_some()
        {
            return Ok(());
        }
        let origin = Shown(origin);
        let refusal = Refusal::forbidden(
            "foreign_page",
            format!(
                "a page of {origin} may not read here; start the server with --cors-origin {origin} \
                 to admit it"
            ),
        );
        // Once for each origin, and not for each of a page's attempts.
        Err(refusal.already_logged())
    }

    /// Checks the same where a cookie identifies the client: `*` admits the pages of all sites, but to what everybody may
    /// read, and not to what the user of the browser may.
    ///
    /// # Errors
    /// 403 `foreign_page` for a page that only `*` admits.
    pub fn admit_page_with_cookies(
        &self,
        request: &impl RequestHead,
        own_scheme: &str,
    ) -> Result<(), Refusal> {
        let Some(origin) = request.header_text("origin") else {
            return Ok(());
        };
        let access = self.access();
        let mut listed = access.read_origins.iter();
        if self.may_publish_from(origin, request, own_scheme)
            || listed.any(|known| known.eq_ignore_ascii_case(origin))
        {
            return Ok(());
        }
        let origin = Shown(origin);
        Err(Refusal::forbidden(
            "foreign_page",
            format!(
                "a page of {origin} may not read here by a cookie; start the server with --cors-origin {origin}, \
                 since * admits pages without cookies alone"
            ),
        ))
    }

    /// Whether pages of this origin are the server's own, or listed as publishers.
    fn may_publish_from(&self, origin: &str, request: &impl RequestHead, own_scheme: &str) -> bool {
        is_same_origin(origin, request.header_text("host"), own_scheme)
            || self.access().is_publish_origin(Some(origin))
    }

    fn log_refused(&self, origin: &str) {
        let origin = Shown(origin).to_string();
        let logged = {
            let mut logged = self.logged_origins.lock();
            if logged.len() >= MAX_LOGGED_ORIGINS || logged.contains(&origin) {
                return;
            }
            logged.push(origin.clone());
            logged.len()
        };
        log::warn!(
            "a page of {origin} may not read this server's responses; --cors-origin {origin} would admit it"
        );
        if logged == MAX_LOGGED_ORIGINS {
            log::warn!("{logged} origins were refused; further ones are not logged");
        }
    }

    /// Counts a stream of the client's address until the slot is dropped. `None` without a limit or an address: then it is
    /// not counted. `client_ip` is [`AppState::client_ip`](crate::AppState::client_ip), which is only called where there
    /// is a limit.
    ///
    /// # Errors
    /// 503 `too_many_subscribers` for one more than [`Access::max_per_address`].
    pub fn admit_address(
        &self,
        client_ip: impl FnOnce() -> Option<IpAddr>,
    ) -> Result<Option<AddressSlot>, Refusal> {
        let Some(max) = self.access().max_per_address else {
            return Ok(None);
        };
        let Some(address) = client_ip() else {
            return Ok(None);
        };
        self.per_address.reserve(address, max).map(Some)
    }
}

/// Where the operator has chosen who may publish, a proxy on this machine may pass on the name under which it is
/// reached. A page can add the header of a proxy, but its browser writes the port that it connects to into `Host`:
/// with the listener's own port, the request did not come through a proxy.
fn is_proxied(access: &Access, request: &impl RequestHead, host: &str, port: u16) -> bool {
    !matches!(access.publishers, Publishers::Local)
        && came_through_a_proxy(request)
        && Authority::parse(host).is_some_and(|host| host.port_or(HTTP_PORT) != port)
}
