//! Who may publish, whose pages may read, and how many may subscribe: decided here and nowhere else,
//! by every route that writes or streams.

use std::{
    collections::HashMap,
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use actix_web::{
    HttpRequest,
    dev::RequestHead,
    http::{
        Method, Version,
        header::{self, HeaderMap, HeaderName},
    },
};
use parking_lot::Mutex;

use super::{
    host::{Authority, HTTP_PORT, is_same_origin, parse_origin},
    keys::{KeyRing, Permit},
};
use sse_broadcaster::internal::Shown;
use sse_broadcaster_http::Refusal;

/// Headers by which a request shows that a proxy passed it on.
const PROXY_HEADERS: [&str; 4] = ["forwarded", "x-real-ip", "via", "cf-connecting-ip"];
/// Most refused origins that are remembered, so that each is logged once.
const MAX_LOGGED_ORIGINS: usize = 100;

/// Who may publish over HTTP.
#[derive(Clone, Default)]
pub enum Publishers {
    /// Nobody.
    #[default]
    Nobody,
    /// Programs on this machine, and pages that this server itself serves to it.
    Local,
    /// Whoever reaches the server, but no other site's page.
    Anyone,
    /// Whoever brings one of these keys.
    Keys(KeyRing),
}

impl fmt::Debug for Publishers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Local => "Local",
            Self::Anyone => "Anyone",
            Self::Keys(_) => "Keys",
        })
    }
}

/// The rules of one server.
#[derive(Debug, Clone, Default)]
pub struct Access {
    pub publishers: Publishers,
    /// Origins whose pages may publish, in lower case, without a trailing slash.
    pub publish_origins: Vec<String>,
    /// Origins whose pages may read; `*` for all.
    pub read_origins: Vec<String>,
    /// Names under which the server may be reached, without ports, or `*` for any. Names of this machine
    /// and literal addresses always may. Empty: any, but for listeners on loopback.
    pub hosts: Vec<String>,
    /// `GET /events/<msg>` publishes.
    pub get_publishes: bool,
    /// Most subscribers from one address.
    pub max_per_address: Option<usize>,
}

/// The rules, and what has to be remembered to keep them. Clones remember together.
#[derive(Debug, Clone, Default)]
pub struct Gate {
    pub access: Access,
    /// The port of the listener that it stands before, where that is on loopback.
    loopback_port: Option<u16>,
    per_address: Arc<Mutex<HashMap<IpAddr, usize>>>,
    logged_origins: Arc<Mutex<Vec<String>>>,
}

/// What the rules of access look at in a request.
#[derive(Debug, Clone, Copy)]
pub struct RequestParts<'a> {
    pub method: &'a Method,
    pub version: Version,
    pub headers: &'a HeaderMap,
}

impl<'a> From<&'a RequestHead> for RequestParts<'a> {
    fn from(request: &'a RequestHead) -> Self {
        Self {
            method: &request.method,
            version: request.version,
            headers: &request.headers,
        }
    }
}

impl RequestParts<'_> {
    fn text(&self, name: impl Into<HeaderName>) -> Option<&str> {
        self.headers
            .get(name.into())
            .map(|value| value.to_str().unwrap_or(""))
    }

    fn named(&self, name: &'static str) -> Option<&str> {
        self.text(HeaderName::from_static(name))
    }

    fn host(&self) -> Option<&str> {
        self.text(header::HOST)
    }

    fn origin(&self) -> Option<&str> {
        self.text(header::ORIGIN)
    }

    fn is_prefetch(&self) -> bool {
        ["sec-purpose", "purpose", "x-purpose", "x-moz"]
            .into_iter()
            .filter_map(|name| self.named(name))
            .any(|purpose| purpose.contains("prefetch") || purpose.contains("preview"))
    }

    fn came_through_a_proxy(&self) -> bool {
        self.headers.keys().any(|name| {
            PROXY_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-")
        })
    }
}

impl Access {
    /// Asks the questions of publishing of a request to a route of one's own, so that it is open to
    /// nobody else than `POST /events` would be.
    ///
    /// # Errors
    /// 401 or 403, with what would be right.
    pub fn check(&self, request: &HttpRequest) -> Result<(), Refusal> {
        self.may_publish(request.head().into()).map(drop)
    }

    /// Checked in this order: whether anybody may, the name, the page, the key.
    ///
    /// # Errors
    /// The refusal, with its status and code.
    pub fn may_publish(&self, request: RequestParts<'_>) -> Result<Permit, Refusal> {
        if matches!(self.publishers, Publishers::Nobody) {
            return Err(Refusal::forbidden(
                "publishing_disabled",
                "this server takes no events over HTTP (--no-publish)",
            ));
        }
        if let Publishers::Keys(keys) = &self.publishers {
            return check_key(keys, request);
        }
        if request.is_prefetch() {
            return Err(Refusal::forbidden(
                "prefetch",
                "a prefetch publishes nothing",
            ));
        }
        if !self.is_publish_origin(request.origin()) {
            check_site(request)?;
            self.check_rebinding(request)?;
        }
        if matches!(self.publishers, Publishers::Local) {
            check_local(request)?;
        }
        Ok(Permit::default())
    }

    fn is_publish_origin(&self, origin: Option<&str>) -> bool {
        origin.is_some_and(|origin| {
            let admitted = |known: &String| known.eq_ignore_ascii_case(origin);
            self.publish_origins.iter().any(admitted)
        })
    }

    /// A page whose name was pointed at this machine after it had loaded is of the same origin to
    /// its browser; only the name tells.
    fn check_rebinding(&self, request: RequestParts<'_>) -> Result<(), Refusal> {
        if request.origin().is_none() && request.named("sec-fetch-site").is_none() {
            return Ok(());
        }
        let host = request.host().unwrap_or("");
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

    /// A name that nobody else can point at this server, or that it was given, by these origins too. Ports
    /// do not matter, since name servers give none.
    fn is_own_name<'a>(&self, host: &str, mut origins: impl Iterator<Item = &'a String>) -> bool {
        Authority::parse(host).is_some_and(|host| {
            host.is_loopback()
                || host.is_address()
                || self.hosts.iter().any(|name| host.has_name(name))
                || origins.any(|origin| {
                    parse_origin(origin).is_some_and(|(_, known)| host.is_same_name(&known))
                })
        })
    }

    /// The origin to admit in an answer to a publisher, if any.
    pub(crate) fn publisher_origin(&self, request: RequestParts<'_>) -> Option<&str> {
        let origin = request.origin()?;
        let known = self.publish_origins.iter();
        known
            .map(String::as_str)
            .find(|known| known.eq_ignore_ascii_case(origin))
    }
}

impl Gate {
    pub(crate) fn new(access: Access) -> Self {
        Self {
            access,
            ..Self::default()
        }
    }

    /// The same before a listener whose address is this machine's alone, or is not.
    pub(crate) fn before(&self, loopback_port: Option<u16>) -> Self {
        Self {
            loopback_port,
            ..self.clone()
        }
    }

    /// Asked of whoever reads. A page whose name was pointed at this machine after it had loaded reads what
    /// its browser takes for the page's own server; only the name tells. A request without one comes from no
    /// browser.
    pub fn admit_host(&self, request: RequestParts<'_>) -> Result<(), Refusal> {
        let Some(host) = request.host() else {
            return Ok(());
        };
        let Access {
            publish_origins,
            read_origins,
            ..
        } = &self.access;
        let origins = publish_origins.iter().chain(read_origins);
        let is_own = self.access.is_own_name(host, origins);
        let is_any = match &self.access.hosts[..] {
            [] => self
                .loopback_port
                .is_none_or(|port| self.is_proxied(request, host, port)),
            hosts => hosts.iter().any(|name| name == "*"),
        };
        if is_own || is_any {
            return Ok(());
        }
        Err(Refusal::forbidden(
            "foreign_host",
            format!(
                "the Host {} is no name of this server; use its address or localhost, or start the server \
                 with --host and that name to admit it",
                Shown(host)
            ),
        )
        .with_reason("the Host is no name of this server; start it with --host and that name"))
    }

    /// Where it was chosen who may publish, a proxy on this machine may pass on the name under which it is
    /// reached. A page can add a proxy's header, but its browser writes into `Host` the port that it
    /// connects to: under the listener's own port it has come without a proxy.
    fn is_proxied(&self, request: RequestParts<'_>, host: &str, port: u16) -> bool {
        !matches!(self.access.publishers, Publishers::Local)
            && request.came_through_a_proxy()
            && Authority::parse(host).is_some_and(|host| host.port_or(HTTP_PORT) != port)
    }

    /// The origin to admit in an answer to a reader, if any.
    pub(crate) fn reader_origin(&self, request: RequestParts<'_>) -> Option<&str> {
        let origin = request.origin()?;
        let admitted = self
            .access
            .read_origins
            .iter()
            .find(|known| *known == "*" || known.eq_ignore_ascii_case(origin));
        if admitted.is_none() && !is_same_origin(origin, request.host()) {
            self.log_refused(origin);
        }
        admitted.map(String::as_str)
    }

    /// A page of any site may open a WebSocket, and its browser keeps nothing from it that comes on
    /// one: so who may not read is refused here.
    pub fn admit_page(&self, request: RequestParts<'_>) -> Result<(), Refusal> {
        let Some(origin) = request.origin() else {
            return Ok(());
        };
        if is_same_origin(origin, request.host())
            || self.access.is_publish_origin(Some(origin))
            || self.reader_origin(request).is_some()
        {
            return Ok(());
        }
        let origin = Shown(origin);
        Err(Refusal::forbidden(
            "foreign_page",
            format!(
                "a page of {origin} may not read here; start the server with --cors-origin {origin} \
                 to admit it"
            ),
        ))
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

    /// Counts a subscriber of this address, until the guard is dropped.
    pub(crate) fn admit_address(&self, address: Option<IpAddr>) -> Result<Option<Seat>, Refusal> {
        let Some((max, address)) = self.access.max_per_address.zip(address) else {
            return Ok(None);
        };
        let address = network_of(address);
        let mut seats = self.per_address.lock();
        let taken = seats.entry(address).or_default();
        if *taken >= max {
            return Err(Refusal::unavailable(
                "too_many_subscribers",
                "as many subscribers as allowed are connected from this address",
            ));
        }
        *taken += 1;
        Ok(Some(Seat {
            address,
            seats: Arc::clone(&self.per_address),
        }))
    }
}

/// What one client has: all addresses of an IPv6 /64 are as easily its own as one of IPv4.
fn network_of(address: IpAddr) -> IpAddr {
    const NETWORK: u128 = u128::MAX << 64;
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// A subscriber's place among those of its address.
#[derive(Debug)]
pub struct Seat {
    address: IpAddr,
    seats: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.lock();
        if let Some(taken) = seats.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                seats.remove(&self.address);
            }
        }
    }
}

fn check_key(keys: &KeyRing, request: RequestParts<'_>) -> Result<Permit, Refusal> {
    let brought = request
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| bearer(value.as_bytes()));
    match brought.map(|key| keys.admit(key)) {
        Some(Some(permit)) => Ok(permit),
        Some(None) => Err(Refusal::unauthorized(
            "wrong_key",
            "the key is wrong; the server was given others (--publish-key)",
        )),
        None => Err(Refusal::unauthorized(
            "key_missing",
            "publishing needs a key: send the header \"Authorization: Bearer <key>\" with the \
             server's --publish-key",
        )),
    }
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, key) = value.split_at_checked(7)?;
    scheme
        .eq_ignore_ascii_case(b"bearer ")
        .then(|| key.trim_ascii())
        .filter(|key| !key.is_empty())
}

/// Another site's page may make a browser send a request, but not without a trace of it.
fn check_site(request: RequestParts<'_>) -> Result<(), Refusal> {
    let refused = |detail: &str| Err(Refusal::forbidden("foreign_page", detail));
    if let Some(site) = request.named("sec-fetch-site") {
        return match site {
            "same-origin" | "none" => Ok(()),
            _ => refused(
                "a page of another site may not publish here; start the server with \
                 --publish-origin and that page's origin to admit it",
            ),
        };
    }
    if let Some(origin) = request.origin() {
        return if is_same_origin(origin, request.host()) {
            Ok(())
        } else {
            refused(
                "the Origin is not this server's own; start the server with --publish-origin and \
                 that origin to admit it",
            )
        };
    }
    let agent = request.text(header::USER_AGENT).unwrap_or("");
    if *request.method == Method::GET && agent.contains("Mozilla/") {
        return refused(
            "here a browser does not say which page made it send this GET, so it publishes nothing; \
             send a POST to /events, or use the command: sse-broadcaster publish TEXT",
        );
    }
    Ok(())
}

fn check_local(request: RequestParts<'_>) -> Result<(), Refusal> {
    let refused = |what: &str| {
        Err(Refusal::forbidden(
            "not_local",
            format!(
                "{what}, and only programs on this machine may publish here; start the server with \
                 --publish-key (or --allow-anonymous-publish) to admit others"
            ),
        ))
    };
    if request.version < Version::HTTP_11 {
        return refused("the request came over HTTP/1.0, as proxies send it");
    }
    if request.came_through_a_proxy() {
        return refused("the request came through a proxy");
    }
    match request.host() {
        Some(host) if Authority::parse(host).is_some_and(|host| host.is_loopback()) => Ok(()),
        Some(_) => refused("the request's Host is not a name of this machine such as localhost"),
        None => refused("the request has no Host"),
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
