//! Tokens are created, and explained: for the command line, for tests, and for those who wonder why a token is
//! refused.
//!
//! ```
//! use std::time::Duration;
//! use sse_broadcaster_access::{
//!     issuer::{Issuer, Issuers, Purpose},
//!     keys::Keys,
//!     mint::{Explanation, NewToken, SigningKey},
//!     token::Context,
//! };
//!
//! let secret = "HS256 0123456789abcdef0123456789abcdef";
//! let claims = serde_json::json!({"sub": "17", "sse": {"subscribe": ["notes/{id}"]}});
//! let new = NewToken::new(&claims)?.lifetime(Duration::from_secs(600));
//! let token = new.create(&SigningKey::parse(secret)?)?;
//!
//! let issuers = Issuers::new([Issuer::new("login", Keys::parse(secret)?)]);
//! let context = Context {
//!     purpose: Purpose::Subscribe,
//!     resource: None,
//!     base: None,
//!     now: std::time::SystemTime::now(),
//! };
//! let explanation = Explanation::of(&token, &issuers, context, &["notes/1", "prices"]);
//! println!("{explanation}");
//! assert!(explanation.outcome.is_ok());
//! assert!(explanation.topics[0].subscribe && !explanation.topics[1].subscribe);
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, AlgorithmFamily, EncodingKey};
use serde_json::{Map, Value, json};

use crate::{
    crypto,
    keys::{KeyError, Keys, PrivateFamily, first_secret, pem, private_family},
};

mod explanation;
#[cfg(test)]
mod mint_tests;

pub use explanation::{Explanation, TopicGrants};

/// How long a token is valid unless set otherwise.
pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(3_600);

/// A key to create tokens with.
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
    id: Option<String>,
}

impl SigningKey {
    /// A line `HS256 <secret>`, or a private key in PEM: `PRIVATE KEY` (PKCS #8), or `RSA PRIVATE KEY`. Of several
    /// lines the first one that is no comment counts.
    ///
    /// # Errors
    /// Anything else, and secrets that are too short.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        if !pem::is_pem(text) {
            // The same checks as for verification.
            Keys::parse(text)?;
            let (algorithm, secret) = first_secret(text).ok_or(KeyError::Empty)??;
            let key = EncodingKey::from_secret(secret.as_bytes()).map_err(|_| KeyError::Empty)?;
            return Ok(Self::of(algorithm, key));
        }
        let blocks = pem::blocks(text).ok_or(KeyError::DamagedPem)?;
        let is_private = |block: &&pem::Block<'_>| block.label.ends_with("PRIVATE KEY");
        let Some(block) = blocks.iter().find(is_private) else {
            let labels: Vec<_> = blocks.iter().map(|block| block.label).collect();
            return Err(KeyError::NotAPrivateKey(labels.join(", ")));
        };
        let unsupported = || KeyError::NotAPrivateKey(block.label.to_owned());
        let family = match block.label {
            "PRIVATE KEY" => private_family(&block.der).ok_or_else(unsupported)?,
            "RSA PRIVATE KEY" => PrivateFamily::Rsa,
            _ => return Err(unsupported()),
        };
        let der = &block.der;
        Ok(match family {
            PrivateFamily::Rsa => Self::of(Algorithm::RS256, EncodingKey::from_rsa_der(der)),
            PrivateFamily::P256 => Self::of(Algorithm::ES256, EncodingKey::from_ec_der(der)),
            PrivateFamily::P384 => Self::of(Algorithm::ES384, EncodingKey::from_ec_der(der)),
            PrivateFamily::Ed25519 => Self::of(Algorithm::EdDSA, EncodingKey::from_ed_der(der)),
        })
    }

    fn of(algorithm: Algorithm, key: EncodingKey) -> Self {
        Self {
            algorithm,
            key,
            id: None,
        }
    }

    /// Tokens name the key by this id.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        self.id = Some(id.to_owned());
        self
    }

    /// Another algorithm of the key, for example `PS256` for an RSA key, which has `RS256` at first.
    ///
    /// # Errors
    /// One that is not for the key.
    pub fn with_algorithm(mut self, name: &str) -> Result<Self, MintError> {
        let wrong = || MintError::Algorithm(name.to_owned());
        let algorithm: Algorithm = name.parse().map_err(|_| wrong())?;
        let of_rsa = AlgorithmFamily::Rsa;
        let of_rsa = of_rsa.algorithms();
        let is_allowed = if of_rsa.contains(&self.algorithm) {
            of_rsa.contains(&algorithm)
        } else {
            algorithm == self.algorithm
        };
        if !is_allowed {
            return Err(wrong());
        }
        self.algorithm = algorithm;
        Ok(self)
    }
}

impl SigningKey {
    /// A token of this header and these claims, whatever they are.
    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> Result<String, MintError> {
        crypto::install();
        let encode = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", encode(header), encode(claims));
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.key, self.algorithm);
        let signature = signature.map_err(|why| MintError::Key(why.to_string()))?;
        Ok(format!("{message}.{signature}"))
    }
}

/// Without the key.
impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({:?}, {:?})", self.algorithm, self.id)
    }
}

/// Why no token was created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MintError {
    /// Claims must be an object.
    #[error("the claims must be a JSON object")]
    NotAnObject,
    /// The algorithm is not for the key.
    #[error("algorithm {0:?} is not for this key")]
    Algorithm(String),
    /// The key cannot sign: it is damaged, or too short.
    #[error("the key cannot sign: {0}")]
    Key(String),
    /// Longer than is accepted.
    #[error("the token would be {bytes} bytes long; at most {max} are accepted")]
    TooLong {
        /// How long it would be.
        bytes: usize,
        /// How long it may be.
        max: usize,
    },
}

/// A token that is to be created.
#[derive(Debug, Clone)]
#[must_use]
pub struct NewToken {
    claims: Map<String, Value>,
    lifetime: Option<Duration>,
    is_access_token: bool,
}

impl NewToken {
    /// With these claims. `iat` and `exp` are added unless they are there.
    ///
    /// # Errors
    /// Claims that are not an object.
    pub fn new(claims: &Value) -> Result<Self, MintError> {
        let claims = claims.as_object().ok_or(MintError::NotAnObject)?;
        Ok(Self {
            claims: claims.clone(),
            lifetime: Some(DEFAULT_LIFETIME),
            is_access_token: false,
        })
    }

    /// How long it is valid from now on.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// It never ends. Only issuers that allow it accept such a token.
    pub fn without_expiry(mut self) -> Self {
        self.lifetime = None;
        self
    }

    /// By the rules of Mercure 1.0: header `typ` is `at+jwt`.
    pub fn access_token(mut self) -> Self {
        self.is_access_token = true;
        self
    }

    /// Creates it.
    ///
    /// # Errors
    /// A key that cannot sign, or too many claims.
    pub fn create(mut self, key: &SigningKey) -> Result<String, MintError> {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since_epoch.unwrap_or_default().as_secs();
        let mut set = |name: &str, seconds: u64| {
            let claim = self.claims.entry(name);
            claim.or_insert_with(|| seconds.into());
        };
        set("iat", now);
        if let Some(lifetime) = self.lifetime {
            set("exp", now.saturating_add(lifetime.as_secs()));
        }
        let typ = if self.is_access_token {
            "at+jwt"
        } else {
            "JWT"
        };
        let mut header = json!({ "typ": typ, "alg": format!("{:?}", key.algorithm) });
        if let Some(id) = &key.id {
            header["kid"] = json!(id);
        }
        let token = key.sign(&header, &Value::Object(self.claims))?;
        let (bytes, max) = (token.len(), crate::token::MAX_TOKEN_BYTES);
        if bytes > max {
            return Err(MintError::TooLong { bytes, max });
        }
        Ok(token)
    }
}
