//! What a connection begins with, before its first request: a header of the PROXY protocol, then the handshake of TLS.

use std::{rc::Rc, sync::Arc};

use super::{
    connection::accepted::Accepted,
    listen::ProxyProtocol,
    tls::{Encryption, Tls},
};
use sse_broadcaster_http::{RefusalCounts, TrustedProxies};

/// What the connections of a listener begin with.
#[derive(Debug, Clone, Default)]
pub(crate) struct SetupOptions {
    /// Proxies that send a header of the PROXY protocol; `None` where there is no such header.
    pub(crate) proxies: Option<TrustedProxies>,
    /// How connections are encrypted, if they are.
    pub(crate) tls: Option<Tls>,
}

/// Sets up the connections of one worker and listener.
pub(crate) struct Setup {
    proxies: Option<Rc<ProxyProtocol>>,
    encryption: Option<Rc<Encryption>>,
}

impl Setup {
    pub(crate) fn new(options: SetupOptions, refusals: &Arc<RefusalCounts>) -> Self {
        let proxies = options.proxies;
        Self {
            proxies: proxies.map(|proxies| ProxyProtocol::new(proxies, Arc::clone(refusals))),
            encryption: options.tls.map(Encryption::new),
        }
    }

    /// Passes the connection to `route` as soon as it is set up. It is closed if that fails.
    pub(crate) fn begin(&self, accepted: Accepted, route: impl FnOnce(Accepted) + 'static) {
        let encryption = self.encryption.clone();
        let encrypt = move |accepted| match encryption {
            Some(encryption) => encryption.begin(accepted, route),
            None => route(accepted),
        };
        match &self.proxies {
            Some(proxies) => proxies.receive(accepted, encrypt),
            None => encrypt(accepted),
        }
    }
}
