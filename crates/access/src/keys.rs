//! The keys that tokens of one issuer are signed with.
//!
//! A file or a setting holds one of:
//! - a JWK set (RFC 7517), or one JWK;
//! - PEM blocks: `PUBLIC KEY`, `RSA PUBLIC KEY` or `CERTIFICATE`, of RSA, EC on P-256 or P-384, or Ed25519;
//! - lines `HS256 <secret>`, also with HS384 and HS512; the secret is the rest of the line.
//!
//! Each key has the algorithms that it may be used with; what a token's header asks for never adds one. So there
//! is no `none`, and no HMAC with a public key as its secret.
//!
//! ```
//! use sse_broadcaster_access::keys::{Keys, KeyError};
//!
//! let keys = Keys::parse("HS256 0123456789abcdef0123456789abcdef")?;
//! assert_eq!(keys.len(), 1);
//! assert!(matches!(Keys::parse("HS256 secret"), Err(KeyError::ShortSecret { .. })));
//! # Ok::<_, KeyError>(())
//! ```

use std::{fmt, sync::Arc};

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};

mod der;
mod error;
mod jwk;
#[cfg(test)]
mod keys_tests;
pub(crate) mod pem;

pub use error::KeyError;

pub(crate) use der::PublicKey;
#[cfg(test)]
pub(crate) use der::public_key;
pub(crate) use der::{PrivateFamily, private_family};
pub(crate) use jwk::Secrets;

/// Most keys that one issuer may have.
pub const MAX_KEYS: usize = 100;
/// Longest text with keys, in bytes.
pub const MAX_KEY_TEXT_BYTES: usize = 1 << 20;

/// A few keys. Cloning copies a pointer.
#[derive(Clone)]
pub struct Keys(Arc<Inner>);

struct Inner {
    keys: Vec<Key>,
    ignored: Vec<String>,
}

/// One key that verifies.
pub(crate) struct Key {
    id: Option<Arc<str>>,
    algorithms: Vec<Algorithm>,
    verifying: DecodingKey,
}

impl Keys {
    /// From a JWK set, PEM blocks, or lines with secrets.
    ///
    /// # Errors
    /// Keys that cannot be read, or that are too weak.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        check_length(text)?;
        let text = text.trim_start_matches('\u{feff}').trim();
        if text.starts_with('{') {
            return Self::from_jwk_set(text, Secrets::Allowed);
        }
        let keys = if pem::is_pem(text) {
            of_pem(text)?
        } else {
            of_lines(text)?
        };
        Self::of(keys, Vec::new())
    }

    /// From a JWK set that anybody can fetch: secrets in it are ignored.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn parse_public_set(text: &str) -> Result<Self, KeyError> {
        check_length(text)?;
        Self::from_jwk_set(text, Secrets::Ignored)
    }

    /// No keys: no token can be verified.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Inner {
            keys: Vec::new(),
            ignored: Vec::new(),
        }))
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.keys.is_empty()
    }

    /// Whether any of them is a secret, with which tokens can be created, too.
    #[must_use]
    pub fn has_secrets(&self) -> bool {
        let hmac = AlgorithmFamily::Hmac.algorithms();
        let is_secret = |key: &Key| key.algorithms.iter().any(|one| hmac.contains(one));
        self.0.keys.iter().any(is_secret)
    }

    /// Keys of a JWK set that cannot be used, and why: for a log.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.0.ignored
    }

    fn from_jwk_set(text: &str, secrets: Secrets) -> Result<Self, KeyError> {
        let (keys, ignored) = jwk::parse(text, secrets)?;
        Self::of(keys, ignored)
    }

    fn of(keys: Vec<Key>, ignored: Vec<String>) -> Result<Self, KeyError> {
        match keys.len() {
            0 => Err(KeyError::Empty),
            1..=MAX_KEYS => Ok(Self(Arc::new(Inner { keys, ignored }))),
            _ => Err(KeyError::TooMany { max: MAX_KEYS }),
        }
    }

    /// Those that a token with this key id may have been signed with: the ones with that id, or, as files
    /// of PEM and secrets have no ids, those without any; for a token without one, all.
    pub(crate) fn candidates<'a>(
        &'a self,
        id: Option<&'a str>,
    ) -> Box<dyn Iterator<Item = &'a Key> + 'a> {
        let keys = self.0.keys.iter();
        let Some(id) = id else {
            return Box::new(keys);
        };
        let has_id = keys.clone().any(|key| key.id() == Some(id));
        let wanted = has_id.then_some(id);
        Box::new(keys.filter(move |key| key.id() == wanted))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.keys.iter();
        f.debug_list()
            .entries(keys.map(|key| (key.id(), &key.algorithms)))
            .finish()
    }
}

impl Key {
    fn secret(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let (name, needed) = match algorithm {
            Algorithm::HS256 => ("HS256", 32),
            Algorithm::HS384 => ("HS384", 48),
            _ => ("HS512", 64),
        };
        let short = KeyError::ShortSecret {
            algorithm: name,
            bytes: secret.len(),
            needed,
        };
        if secret.len() < needed {
            return Err(short);
        }
        let key = DecodingKey::from_secret(secret).map_err(|_| short)?;
        Ok(Self::of(vec![algorithm], key))
    }

    fn public(key: &PublicKey<'_>) -> Result<Self, KeyError> {
        Ok(match *key {
            PublicKey::Rsa { modulus, exponent } => {
                let first = modulus
                    .first()
                    .map_or(0, |byte| byte.leading_zeros() as usize);
                let bits = (8 * modulus.len()).saturating_sub(first);
                if !(2_048..=8_192).contains(&bits) {
                    return Err(KeyError::RsaSize { bits });
                }
                let key = DecodingKey::from_rsa_raw_components(modulus, exponent);
                Self::of(AlgorithmFamily::Rsa.algorithms().to_vec(), key)
            }
            PublicKey::P256(point) => {
                Self::of(vec![Algorithm::ES256], DecodingKey::from_ec_der(point))
            }
            PublicKey::P384(point) => {
                Self::of(vec![Algorithm::ES384], DecodingKey::from_ec_der(point))
            }
            PublicKey::Ed25519(key) => {
                Self::of(vec![Algorithm::EdDSA], DecodingKey::from_ed_der(key))
            }
        })
    }

    fn of(algorithms: Vec<Algorithm>, key: DecodingKey) -> Self {
        Self {
            id: None,
            algorithms,
            verifying: key,
        }
    }

    /// Bound to the one algorithm of this name, if it is for the key at all.
    fn only(mut self, name: &str) -> Option<Self> {
        // RFC 9864 gives EdDSA with Ed25519 a name of its own.
        let name = if name == "Ed25519" { "EdDSA" } else { name };
        let algorithm: Algorithm = name.parse().ok()?;
        self.algorithms.contains(&algorithm).then(|| {
            self.algorithms = vec![algorithm];
            self
        })
    }

    fn with_id(mut self, id: Option<&str>) -> Self {
        self.id = id.map(Into::into);
        self
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    pub(crate) fn shared_id(&self) -> Option<Arc<str>> {
        self.id.clone()
    }

    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether `signature`, in base64url, is that of `message`.
    pub(crate) fn verifies(&self, message: &str, signature: &str, algorithm: Algorithm) -> bool {
        crate::crypto::install();
        let message = message.as_bytes();
        self.allows(algorithm)
            && jsonwebtoken::crypto::verify(signature, message, &self.verifying, algorithm)
                .unwrap_or(false)
    }
}

fn check_length(text: &str) -> Result<(), KeyError> {
    if text.len() > MAX_KEY_TEXT_BYTES {
        return Err(KeyError::TooLong {
            bytes: text.len(),
            max: MAX_KEY_TEXT_BYTES,
        });
    }
    Ok(())
}

fn of_pem(text: &str) -> Result<Vec<Key>, KeyError> {
    let blocks = pem::blocks(text).ok_or(KeyError::DamagedPem)?;
    let key = |block: &pem::Block<'_>| {
        let unsupported = || KeyError::UnsupportedKey(block.label.to_owned());
        let key = match block.label {
            "PUBLIC KEY" => der::public_key(&block.der),
            "RSA PUBLIC KEY" => der::rsa_public_key(&block.der),
            "CERTIFICATE" => der::of_certificate(&block.der),
            label if label.ends_with("PRIVATE KEY") => {
                return Err(KeyError::PrivateKey(label.to_owned()));
            }
            _ => None,
        };
        Key::public(&key.ok_or_else(unsupported)?)
    };
    blocks.iter().map(key).collect()
}

fn of_lines(text: &str) -> Result<Vec<Key>, KeyError> {
    secrets(text)
        .map(|line| {
            let (algorithm, secret) = line?;
            Key::secret(algorithm, secret.as_bytes())
        })
        .collect()
}

/// The first of the lines with a secret.
pub(crate) fn first_secret(text: &str) -> Option<Result<(Algorithm, &str), KeyError>> {
    secrets(text).next()
}

fn secrets(text: &str) -> impl Iterator<Item = Result<(Algorithm, &str), KeyError>> {
    let lines = text.lines().map(str::trim);
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(secret_of_line)
}

/// `HS256 <secret>`. Of anything else the error shows the first word only if it is like the name of an
/// algorithm: it may be the secret.
fn secret_of_line(line: &str) -> Result<(Algorithm, &str), KeyError> {
    let (name, secret) = line.split_once(' ').unwrap_or((line, ""));
    let algorithm = match name {
        "HS256" => Algorithm::HS256,
        "HS384" => Algorithm::HS384,
        "HS512" => Algorithm::HS512,
        _ => {
            let is_name = name.len() == 5 && name.ends_with(|last: char| last.is_ascii_digit());
            let shown = if is_name { name } else { "…" };
            return Err(KeyError::UnknownLine(shown.to_owned()));
        }
    };
    Ok((algorithm, secret.trim()))
}
