//! What is kept of one connection.

use std::{net::IpAddr, sync::Arc};

use crate::{
    broadcaster::peer::{HttpVersion, Peer, Transport},
    clock::now_ms,
    event::EventId,
};

/// A connection. Its fields are apart, so that none of the 80 bytes is lost between them.
pub(super) struct Described {
    pub(super) opened_ms: u64,
    /// The stream has everything that matches after this one, if it `has_begun`.
    pub(super) begins_after: EventId,
    pub(super) user: Option<Arc<str>>,
    pub(super) user_agent: Option<Arc<str>>,
    pub(super) serial: u32,
    pub(super) address: Option<IpAddr>,
    pub(super) transport: Transport,
    pub(super) http: HttpVersion,
    pub(super) has_begun: bool,
}

const _: () = assert!(
    size_of::<Described>() <= 80,
    "it is kept for each connection"
);

impl Described {
    pub(super) fn new(peer: Peer) -> Self {
        let Peer {
            address,
            user,
            user_agent,
            transport,
            http,
        } = peer;
        Self {
            opened_ms: now_ms(),
            begins_after: EventId::new(0, 0),
            user,
            user_agent,
            serial: 0,
            address,
            transport,
            http,
            has_begun: false,
        }
    }

    pub(super) fn peer(&self) -> Peer {
        Peer::new(self.transport)
            .address(self.address)
            .user(self.user.clone())
            .user_agent(self.user_agent.clone())
            .http(self.http)
    }
}
