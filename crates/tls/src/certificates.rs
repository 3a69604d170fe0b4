//! Which certificate a client gets.

use std::{collections::HashMap, fmt, sync::Arc, time::SystemTime};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::ring::{Ticketer, default_provider},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::Pair;

/// The certificates of a server, by name.
#[derive(Debug, Clone)]
pub struct Certificates {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    /// For clients that ask for no name or for another.
    first: Arc<CertifiedKey>,
    valid_until: SystemTime,
}

impl Certificates {
    /// Of several pairs for one name the first is used; clients that ask for no name, or for one that is not there, get
    /// the very first.
    #[must_use]
    pub fn new(first: &Pair, others: &[Pair]) -> Self {
        let mut by_name = HashMap::new();
        let pairs = || std::iter::once(first).chain(others);
        for pair in pairs() {
            for name in pair.names() {
                let entry = by_name.entry(name.clone());
                entry.or_insert_with(|| Arc::clone(&pair.key));
            }
        }
        let earliest = pairs().map(Pair::valid_until).min();
        Self {
            by_name,
            first: Arc::clone(&first.key),
            valid_until: earliest.unwrap_or(SystemTime::UNIX_EPOCH),
        }
    }

    /// When the first of them is no longer valid.
    #[must_use]
    pub fn valid_until(&self) -> SystemTime {
        self.valid_until
    }

    /// That for a name (RFC 6125, section 6.4.3: a wildcard stands for one label).
    fn of(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let found = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let exact = self.by_name.get(&name);
            exact.or_else(|| {
                let (_, parent) = name.split_once('.')?;
                self.by_name.get(&format!("*.{parent}"))
            })
        });
        Arc::clone(found.unwrap_or(&self.first))
    }
}

/// The certificates that new connections get. They can be replaced; open connections keep theirs.
pub struct Current(RwLock<Certificates>);

impl Current {
    /// These, for now.
    #[must_use]
    pub fn new(certificates: Certificates) -> Arc<Self> {
        Arc::new(Self(RwLock::new(certificates)))
    }

    /// New connections get these from now on.
    pub fn replace(&self, certificates: Certificates) {
        *self.0.write() = certificates;
    }

    /// When the first of them is no longer valid.
    #[must_use]
    pub fn valid_until(&self) -> SystemTime {
        self.0.read().valid_until()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().of(client.server_name()))
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Current")
    }
}

/// TLS 1.3 and 1.2 with these certificates, these protocols (ALPN), the preferred first, and resumption by tickets, which
/// take no memory of the server.
///
/// # Errors
/// The system gives no random numbers.
pub fn server_config(
    certificates: &Arc<Current>,
    protocols: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let builder = builder.with_safe_default_protocol_versions()?;
    let resolver = Arc::clone(certificates);
    let mut config = builder.with_no_client_auth().with_cert_resolver(resolver);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.ticketer = Ticketer::new()?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(config)
}
