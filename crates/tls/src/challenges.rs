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
        let key = default_provider().key_provider.load_private_key(key)?;
        // Not `from_der`, which reads the certificate: it has a critical extension that webpki does not know.
        let key = CertifiedKey::new(vec![certificate], key);
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

    /// Whether the client offers the protocol of authorities.
    pub(crate) fn are_asked_for(client: &ClientHello<'_>) -> bool {
        let protocols = client.alpn();
        protocols.is_some_and(|mut protocols| protocols.any(|name| name == CHALLENGE_PROTOCOL))
    }

    /// The certificate for the name of a client that offers this protocol, which must be the only one (RFC 8737,
    /// section 3).
    pub(crate) fn of(&self, client: &ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        if client.alpn()?.count() != 1 {
            return None;
        }
        let name = client.server_name()?.to_ascii_lowercase();
        self.0.read().get(&name).cloned()
    }
}

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenges")
    }
}
