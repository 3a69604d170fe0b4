//! A certificate and its key, from files.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    InconsistentKeys,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer},
    sign::CertifiedKey,
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
};

use crate::pem::{certificates, private_key, read};

/// A certificate, those of its authorities, and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub(crate) key: Arc<CertifiedKey>,
    names: Vec<String>,
    has_addresses: bool,
    valid_from: SystemTime,
    valid_until: SystemTime,
}

/// Why there is no pair.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// A file cannot be read.
    #[error("{} cannot be read", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// A file is too long.
    #[error("{} has more than 1 MiB", .0.display())]
    TooLong(PathBuf),
    /// There is no certificate in the file.
    #[error("{} has no certificate: {hint}", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// What is probably wrong with it, or what would be right.
        hint: &'static str,
    },
    /// A certificate in the file is not valid.
    #[error("{} has a certificate that cannot be used: {reason}", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no key in the file.
    #[error("{} has no private key: {hint}", path.display())]
    NoKey {
        /// The file.
        path: PathBuf,
        /// What is probably wrong with it, or what would be right.
        hint: &'static str,
    },
    /// The key in the file is damaged.
    #[error("the key in {} cannot be read: {reason}", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key in the file has a password.
    #[error("the key in {} has a password; this removes it: openssl pkey -in FILE -out FILE", .0.display())]
    EncryptedKey(PathBuf),
    /// The key in the file is not of a kind that is supported.
    #[error("the key in {} is not supported: use ECDSA (P-256 or P-384), Ed25519, or RSA of 2048 bits or more", .0.display())]
    UnsupportedKey(PathBuf),
    /// The key is that of another certificate.
    #[error("the key in {} is not that of the first certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
}

impl PairError {
    fn bad_certificate(path: &Path, reason: String) -> Self {
        Self::BadCertificate {
            path: path.to_owned(),
            reason,
        }
    }
}

impl Pair {
    /// Reads a certificate chain and a key from files in PEM, which may be the same.
    ///
    /// # Errors
    /// Names the file, what is wrong with it, and what would be right.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, PairError> {
        let [chain, private] = [read(certificate)?, read(key)?];
        Self::from_pem((certificate, &chain), (key, &private))
    }

    /// As [`read`](Self::read), of the contents of files.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_pem(
        (certificate, chain): (&Path, &[u8]),
        (key, private): (&Path, &[u8]),
    ) -> Result<Self, PairError> {
        let chain = certificates(certificate, chain)?;
        let private = private_key(key, private)?;
        Self::new(chain, private).map_err(|error| match error {
            Unusable::Certificate(reason) => PairError::bad_certificate(certificate, reason),
            Unusable::Key => PairError::UnsupportedKey(key.to_owned()),
            Unusable::Mismatch => PairError::Mismatch {
                certificate: certificate.to_owned(),
                key: key.to_owned(),
            },
        })
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, Unusable> {
        let first = chain.first().cloned().unwrap_or_else(|| Vec::new().into());
        let bad = |error: String| Unusable::Certificate(error);
        let (_, parsed) =
            X509Certificate::from_der(&first).map_err(|error| bad(error.to_string()))?;
        let (names, has_addresses) = names(&parsed).map_err(bad)?;
        let time = |seconds: i64| {
            let distance = Duration::from_secs(seconds.unsigned_abs());
            if seconds < 0 {
                SystemTime::UNIX_EPOCH.checked_sub(distance)
            } else {
                SystemTime::UNIX_EPOCH.checked_add(distance)
            }
        };
        let validity = parsed.validity();
        let [from, until] =
            [validity.not_before, validity.not_after].map(|at| time(at.timestamp()));
        let key = CertifiedKey::from_der(chain, key, &default_provider());
        Ok(Self {
            key: Arc::new(key.map_err(|error| match error {
                rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    Unusable::Mismatch
                }
                _ => Unusable::Key,
            })?),
            names,
            has_addresses,
            valid_from: from.unwrap_or(SystemTime::UNIX_EPOCH),
            valid_until: until.unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }

    /// The certificate itself, without those of its authorities.
    #[must_use]
    pub fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }

    /// The host names that it is for, in lower case; a wildcard begins with `*.`.
    #[must_use]
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it is for addresses as well.
    #[must_use]
    pub fn has_addresses(&self) -> bool {
        self.has_addresses
    }

    /// When it begins to be valid.
    #[must_use]
    pub fn valid_from(&self) -> SystemTime {
        self.valid_from
    }

    /// When it is no longer valid.
    #[must_use]
    pub fn valid_until(&self) -> SystemTime {
        self.valid_until
    }
}

enum Unusable {
    Certificate(String),
    Key,
    Mismatch,
}

/// The names of its subject (RFC 5280, section 4.2.1.6), and whether it has addresses. Browsers read no others.
fn names(certificate: &X509Certificate<'_>) -> Result<(Vec<String>, bool), String> {
    let extension = certificate.subject_alternative_name();
    let extension = extension.map_err(|error| error.to_string())?;
    let all = extension.map_or(&[][..], |extension| &extension.value.general_names);
    let names = all.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let is_address = |name: &GeneralName<'_>| matches!(name, GeneralName::IPAddress(_));
    Ok((names.collect(), all.iter().any(is_address)))
}
