//! A certificate and its key, from files.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    InconsistentKeys,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
};

/// Most bytes of a file with certificates or a key.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// How a key that is protected by a password begins.
const ENCRYPTED: &[u8] = b"ENCRYPTED";

/// A certificate, those of its authorities, and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub(crate) key: Arc<CertifiedKey>,
    names: Vec<String>,
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
    #[error(
        "{} has no certificate: it must be in PEM (-----BEGIN CERTIFICATE-----), followed by those of its authorities",
        .0.display()
    )]
    NoCertificate(PathBuf),
    /// A certificate in the file is not valid.
    #[error("{} has a certificate that cannot be used: {reason}", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no key in the file.
    #[error("{} has no private key: it must be in PEM (-----BEGIN PRIVATE KEY-----)", .0.display())]
    NoKey(PathBuf),
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
        let names = names(&parsed).map_err(bad)?;
        let time = |seconds: i64| {
            let seconds = Duration::from_secs(seconds.unsigned_abs());
            SystemTime::UNIX_EPOCH.checked_add(seconds)
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

/// The certificates in a file in PEM, of authorities for example.
///
/// # Errors
/// Names the file, what is wrong with it, and what would be right.
pub fn certificates_in(path: &Path) -> Result<Vec<CertificateDer<'static>>, PairError> {
    certificates(path, &read(path)?)
}

enum Unusable {
    Certificate(String),
    Key,
    Mismatch,
}

/// The names of its subject (RFC 5280, section 4.2.1.6). Browsers read no others.
fn names(certificate: &X509Certificate<'_>) -> Result<Vec<String>, String> {
    let extension = certificate.subject_alternative_name();
    let extension = extension.map_err(|error| error.to_string())?;
    let all = extension.map_or(&[][..], |extension| &extension.value.general_names);
    let names = all.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    Ok(names.collect())
}

fn certificates(path: &Path, text: &[u8]) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(PairError::NoCertificate(path.to_owned())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(PairError::bad_certificate(path, error.to_string())),
    }
}

fn private_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, PairError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|_| {
        let is_encrypted = text.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED);
        if is_encrypted {
            PairError::EncryptedKey(path.to_owned())
        } else {
            PairError::NoKey(path.to_owned())
        }
    })
}

fn read(path: &Path) -> Result<Vec<u8>, PairError> {
    let mut text = Vec::new();
    let file =
        File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut text));
    let length = file.map_err(|error| PairError::Unreadable(path.to_owned(), error))?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(PairError::TooLong(path.to_owned()));
    }
    Ok(text)
}
