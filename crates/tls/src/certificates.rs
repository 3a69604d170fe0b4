//! Which certificate a client gets.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use parking_lot::RwLock;
use rustls::{
    ServerConfig,
    crypto::ring::{Ticketer, default_provider},
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::{Challenges, Pair};

/// Certificates of a server, by name; there may be none.
#[derive(Debug, Clone, Default)]
pub struct Certificates {
    by_name: HashMap<String, Arc<CertifiedKey>>,
    /// For clients that ask for no name or for another.
    first: Option<Arc<CertifiedKey>>,
    valid_until: Option<SystemTime>,
}

impl Certificates {
    /// Of several pairs for one name the first is used; clients that ask for no name, or for one that is not there, get
    /// the very first.
    #[must_use]
    pub fn new(pairs: &[Pair]) -> Self {
        let mut by_name = HashMap::new();
        for pair in pairs {
            for name in pair.names() {
                let entry = by_name.entry(name.clone());
                entry.or_insert_with(|| Arc::clone(&pair.key));
            }
        }
        Self {
            by_name,
            first: pairs.first().map(|pair| Arc::clone(&pair.key)),
            valid_until: pairs.iter().map(Pair::valid_until).min(),
        }
    }

    /// That for a name (RFC 6125, section 6.4.3: a wildcard stands for one label).
    fn of(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let name = name?;
        let exact = self.by_name.get(name);
        exact.or_else(|| {
            let (_, parent) = name.split_once('.')?;
            self.by_name.get(&format!("*.{parent}"))
        })
    }
}

/// The certificates that new connections get. They can be replaced; open connections keep theirs.
#[derive(Debug, Default)]
pub struct Current {
    all: RwLock<All>,
    challenges: Challenges,
    has_reported_none: AtomicBool,
}

#[derive(Debug, Default)]
struct All {
    /// From files.
    own: Certificates,
    /// From an authority: preferred for their names, so that those of files serve until they are there.
    ordered: Certificates,
}

impl Current {
    /// These, for now.
    #[must_use]
    pub fn new(certificates: Certificates) -> Arc<Self> {
        let this = Self::default();
        this.replace(certificates);
        Arc::new(this)
    }

    /// New connections get these from now on, unless there are others by [`replace_ordered`](Self::replace_ordered) for
    /// their name.
    pub fn replace(&self, certificates: Certificates) {
        self.all.write().own = certificates;
    }

    /// New connections that ask for the names of these get them from now on; those that ask for others or none get them if
    /// there are no others.
    pub fn replace_ordered(&self, certificates: Certificates) {
        self.all.write().ordered = certificates;
    }

    /// When the first of them is no longer valid; `None` if there are none.
    #[must_use]
    pub fn valid_until(&self) -> Option<SystemTime> {
        let all = self.all.read();
        let each = [all.own.valid_until, all.ordered.valid_until];
        each.into_iter().flatten().min()
    }

    /// What authorities get that check a name.
    #[must_use]
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    fn of(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let name = name.map(str::to_ascii_lowercase);
        let all = self.all.read();
        let found = all.ordered.of(name.as_deref());
        let found = found.or_else(|| all.own.of(name.as_deref()));
        let found = found
            .or(all.own.first.as_ref())
            .or(all.ordered.first.as_ref());
        found.cloned()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, client: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if Challenges::are_asked_for(&client) {
            return self.challenges.of(&client);
        }
        let found = self.of(client.server_name());
        if found.is_none() && !self.has_reported_none.swap(true, Ordering::Relaxed) {
            log::warn!("clients are refused: there is no certificate yet");
        }
        found
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
