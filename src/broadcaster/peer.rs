//! Who is at the other end of a connection.

use std::{net::IpAddr, sync::Arc};

/// By what a connection is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Transport {
    /// A stream of events as `text/event-stream`.
    #[default]
    Sse,
    /// A WebSocket.
    WebSocket,
    /// A stream of documents and patches to them.
    Signals,
    /// A stream of a Mercure hub.
    Mercure,
}

/// The version of HTTP by which a connection is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    #[default]
    Http11,
    /// HTTP/2.
    Http2,
}

/// Who is at the other end of a connection, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Peer {
    /// Its address: that of the client, or of a proxy before it.
    pub address: Option<IpAddr>,
    /// The user, by its token or session.
    pub user: Option<Arc<str>>,
    /// What the client says that it is. Connections should share one text.
    pub user_agent: Option<Arc<str>>,
    /// By what it is served.
    pub transport: Transport,
    /// The version of HTTP.
    pub http: HttpVersion,
}

impl Peer {
    /// An unknown client.
    #[must_use]
    pub fn new(transport: Transport) -> Self {
        Self {
            transport,
            ..Self::default()
        }
    }

    /// Sets [`address`](Self::address).
    #[must_use]
    pub fn address(self, address: Option<IpAddr>) -> Self {
        Self { address, ..self }
    }

    /// Sets [`user`](Self::user).
    #[must_use]
    pub fn user(self, user: Option<Arc<str>>) -> Self {
        Self { user, ..self }
    }

    /// Sets [`user_agent`](Self::user_agent).
    #[must_use]
    pub fn user_agent(self, user_agent: Option<Arc<str>>) -> Self {
        Self { user_agent, ..self }
    }

    /// Sets [`http`](Self::http).
    #[must_use]
    pub fn http(self, http: HttpVersion) -> Self {
        Self { http, ..self }
    }
}
