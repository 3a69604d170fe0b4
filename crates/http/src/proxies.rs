//! Proxies before the server: which are trusted, and what they say about the client.
//!
//! ```text
//! proxies/network.rs       addresses of proxies, as the settings have them
//! proxies/forwarded.rs     the header in which proxies name the client, from its end to its beginning
//! proxies/proxy_header.rs  the header of the PROXY protocol, before the first byte of a connection
//! ```

mod forwarded;
mod network;
mod proxy_header;

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use parking_lot::RwLock;

use self::{
    forwarded::{Hop, hops},
    network::Network,
};
use crate::RequestHead;

pub use self::{
    network::InvalidProxy,
    proxy_header::{MAX_PROXY_HEADER_BYTES, NotProxied, ProxiedClient, ProxyHeader},
};

/// Names the peers of all Unix sockets, which have no address.
const UNIX: &str = "unix";
/// Most proxies that a request is followed through, from the nearest on.
const MAX_HOPS: usize = 32;

/// The header in which proxies name the client. The other one is never read: most proxies write one of them and pass the
/// other on as the client wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`, with the scheme in `X-Forwarded-Proto`.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The proxies whose headers are believed; by default none is. Clones share the list, so that it can be replaced while a
/// server runs.
///
/// ```
/// use sse_broadcaster_http::{ForwardedHeader, TrustedProxies};
///
/// let proxies = TrustedProxies::parse(["10.0.0.0/8", "2001:db8::7", "unix"])?;
/// let proxies = proxies.header(ForwardedHeader::Forwarded);
/// assert!(proxies.trusts("10.1.2.3".parse().ok()) && !proxies.trusts("192.0.2.1".parse().ok()));
/// # Ok::<_, sse_broadcaster_http::InvalidProxy>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies(Arc<RwLock<Trusted>>);

#[derive(Debug, Clone, Default)]
struct Trusted {
    networks: Vec<Network>,
    /// Whether peers without an address are trusted.
    unix: bool,
    header: ForwardedHeader,
}

/// What is known of the client of a request.
struct Origin {
    ip: Option<IpAddr>,
    scheme: Option<&'static str>,
}

impl TrustedProxies {
    /// The proxies of these texts: an address, a network such as `10.0.0.0/8`, or `unix` for the peers of all Unix
    /// sockets. Where a framework does not pass on the address of the peer, `unix` trusts every peer.
    ///
    /// # Errors
    /// A text that is none of these.
    pub fn parse<T: AsRef<str>>(
        proxies: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidProxy> {
        let mut trusted = Trusted::default();
        for proxy in proxies {
            match proxy.as_ref().trim() {
                UNIX => trusted.unix = true,
                network => trusted.networks.push(Network::from_str(network)?),
            }
        }
        Ok(Self(Arc::new(RwLock::new(trusted))))
    }

    /// Sets the header that these proxies write.
    #[must_use]
    pub fn header(self, header: ForwardedHeader) -> Self {
        self.0.write().header = header;
        self
    }

    /// Takes over the proxies of `other`, for all clones, for requests and connections from now on.
    pub fn replace(&self, other: &Self) {
        let other = other.0.read().clone();
        *self.0.write() = other;
    }

    /// Whether a proxy at this address is trusted; `None` is the peer of a Unix socket.
    #[must_use]
    pub fn trusts(&self, peer: Option<IpAddr>) -> bool {
        self.0.read().trusts(peer.map(|peer| peer.to_canonical()))
    }

    /// The address of the client: that of the peer, or what trusted proxies say. From the nearest proxy on, the first
    /// address that is none of theirs; where the header is malformed, or does not go so far, the last address before.
    /// `None` for a Unix socket.
    #[must_use]
    pub fn client_ip(&self, request: &impl RequestHead) -> Option<IpAddr> {
        self.0.read().origin(request).ip
    }

    /// The scheme by which the client reached the first trusted proxy, `http` or `https`, if that says so.
    #[must_use]
    pub fn scheme(&self, request: &impl RequestHead) -> Option<&'static str> {
        self.0.read().origin(request).scheme
    }
}

impl Trusted {
    fn trusts(&self, peer: Option<IpAddr>) -> bool {
        match peer {
            // Of a connection whose proxy does not know its client.
            Some(peer) if peer.is_unspecified() => false,
            Some(peer) => self.networks.iter().any(|network| network.contains(peer)),
            None => self.unix,
        }
    }

    fn origin(&self, request: &impl RequestHead) -> Origin {
        let peer = request.peer_ip().map(|peer| peer.to_canonical());
        let mut origin = Origin {
            ip: peer,
            scheme: None,
        };
        if !self.trusts(peer) {
            return origin;
        }
        for hop in hops(self.header, request).take(MAX_HOPS) {
            let Some(Hop { client, scheme }) = hop else {
                break;
            };
            origin.scheme = scheme;
            let Some(client) = client else {
                break;
            };
            origin.ip = Some(client);
            if !self.trusts(origin.ip) {
                break;
            }
        }
        origin
    }
}

/// For people: the proxies as they were given.
impl fmt::Display for TrustedProxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let trusted = self.0.read();
        let networks = trusted.networks.iter().map(ToString::to_string);
        let unix = trusted.unix.then(|| UNIX.to_owned());
        let all: Vec<_> = networks.chain(unix).collect();
        f.write_str(&all.join(", "))
    }
}

#[cfg(test)]
#[path = "proxies/proxies_tests.rs"]
mod tests;
