//! The certificate of the servers that encrypt, and the clients that trust it.

use std::{
    fs,
    sync::{Arc, OnceLock},
};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    client::Resumption,
    crypto::{
        CryptoProvider,
        ring::{cipher_suite, default_provider},
    },
    version::TLS13,
};
use tempfile::TempDir;

/// The name that it is for.
pub const NAME: &str = "localhost";

/// Its files, as long as the directory exists.
pub struct Files {
    pub directory: TempDir,
    pub certificate: String,
    pub key: String,
}

impl Files {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let write = |name: &str, pem: &str| {
            let path = directory.path().join(name);
            fs::write(&path, pem).expect("a file");
            path.to_str().expect("a path of text").to_owned()
        };
        let made = made();
        Self {
            certificate: write("own.crt", &made.cert.pem()),
            key: write("own.key", &made.signing_key.serialize_pem()),
            directory,
        }
    }
}

/// By ECDSA with P-256, one for all servers of a run.
fn made() -> &'static rcgen::CertifiedKey<rcgen::KeyPair> {
    static MADE: OnceLock<rcgen::CertifiedKey<rcgen::KeyPair>> = OnceLock::new();
    MADE.get_or_init(|| {
        rcgen::generate_simple_self_signed([NAME.to_owned()]).expect("a certificate")
    })
}

/// A client of TLS 1.3.
pub fn client() -> &'static Arc<ClientConfig> {
    static CLIENT: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    CLIENT.get_or_init(|| client_of(&TLS13))
}

/// A client of this version. It resumes no sessions, and offers one cipher, AES-128-GCM, so that all servers use it.
pub fn client_of(version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let provider = CryptoProvider {
        cipher_suites: vec![
            cipher_suite::TLS13_AES_128_GCM_SHA256,
            cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        ],
        ..default_provider()
    };
    let mut roots = RootCertStore::empty();
    roots.add(made().cert.der().clone()).expect("a root");
    let mut config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(&[version])
        .expect("a version that the cipher is for")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.into()
}
