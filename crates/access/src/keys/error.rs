/// Why keys cannot be used. No message has any part of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Not a key in any of the forms.
    #[error(
        "there is no key; use a JWK set, a PEM block, or a line such as \"HS256 <secret of 32 characters or more>\""
    )]
    Empty,
    /// Neither JSON nor PEM, and not a line with a secret.
    #[error(
        "a line begins with {0:?}; a line with a secret begins with HS256, HS384 or HS512, then a space"
    )]
    UnknownLine(String),
    /// A secret that is shorter than the hash, and so easier to guess than a signature.
    #[error(
        "the secret for {algorithm} has {bytes} bytes and needs at least {needed}; \
         \"openssl rand -hex {needed}\" makes one"
    )]
    ShortSecret {
        /// For which algorithm.
        algorithm: &'static str,
        /// How long it is.
        bytes: usize,
        /// How long it must be.
        needed: usize,
    },
    /// JSON that is no JWK set.
    #[error("not a JWK set: {0}")]
    NotAJwkSet(String),
    /// A JWK set, but no key of it can verify a token.
    #[error("no key of the JWK set can verify a token: {0}")]
    NoUsableKey(String),
    /// A PEM block that cannot be read.
    #[error("a PEM block is damaged")]
    DamagedPem,
    /// A private key where a public one is expected.
    #[error(
        "a PEM block is {0:?}; only the public key is needed: \"openssl pkey -pubout\" gives it"
    )]
    PrivateKey(String),
    /// A public key where a private one is expected.
    #[error("a PEM block is {0:?}; to create tokens the private key is needed, in PKCS #8")]
    NotAPrivateKey(String),
    /// PEM of something else, or a kind of key that is not supported.
    #[error("the key {0:?} is not supported; use RSA, EC on P-256 or P-384, or Ed25519")]
    UnsupportedKey(String),
    /// An RSA key that can be broken, or that is too long to use.
    #[error("an RSA key has {bits} bits; from 2048 to 8192 are supported")]
    RsaSize {
        /// How many it has.
        bits: usize,
    },
    /// More keys than one issuer may have.
    #[error("there are more than {max} keys")]
    TooMany {
        /// How many are allowed.
        max: usize,
    },
    /// More than one key, or more bytes of them than can be meant.
    #[error("the keys are {bytes} bytes long; at most {max} are read")]
    TooLong {
        /// How many there are.
        bytes: usize,
        /// How many are allowed.
        max: usize,
    },
}
