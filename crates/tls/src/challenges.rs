//! Certificates that prove to an authority that a name leads to this server (tls-alpn-01, RFC 8737).

use std::{collections::HashMap, fmt, sync::Arc};

use parking_lot::RwLock;
use rustls::{
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::ClientHello,
    sign::CertifiedKey,
};

/// The protocol (ALPN) by which an authority asks for such a certificate. Nothing is sent on its connections.
pub const CHALLENGE_PROTOCOL: &[u8] = b"acme-tls/1";
/// Most names of pending orders.
const MAX_NAMES: usize = 1_000;

/// The names of pending orders, with their certificates.
#[derive(Default)]
pub struct Challenges(RwLock<HashMap<String, Arc<CertifiedKey>>>);

impl Challenges {
    /// An authority that asks for this name, in lower case, gets this certificate from now on.
    ///
    /// # Errors
    /// The key is not supported, or there are too many names.
    pub fn insert(
        &self,
        name: String,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), rustls::Error> {
        let key = CertifiedKey::from_der(vec![certificate], key, &default_provider())?;
        let mut names = self.0.write();
        if names.len() >= MAX_NAMES {
            return Err(rustls::Error::General("too many names".to_owned()));
        }
        names.insert(name, Arc::new(key));
        Ok(())
    }

    /// Nobody gets them any more.
    pub fn clear(&self) {
        self.0.write().clear();
    }

    /// What a client gets that speaks the protocol of authorities; an outer `None` for all other clients.
    pub(crate) fn of(&self, client: &ClientHello<'_>) -> Option<Option<Arc<CertifiedKey>>> {
        let mut protocols = client.alpn()?;
        let first = protocols.next()?;
        let has_others = protocols.next().is_some();
        if first != CHALLENGE_PROTOCOL || has_others {
            let is_mixed = client
                .alpn()?
                .any(|protocol| protocol == CHALLENGE_PROTOCOL);
            // It must be the only one (RFC 8737, section 3).
            return is_mixed.then_some(None);
        }
        let name = client.server_name().map(str::to_ascii_lowercase);
        Some(name.and_then(|name| self.0.read().get(&name).cloned()))
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}
