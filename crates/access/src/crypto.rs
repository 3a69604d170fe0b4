//! Cryptography of `jsonwebtoken`, by `ring`, which the server has for TLS already.
//!
//! That crate takes its cryptography from one place per process. Another one that the program installed before
//! stays: it must then support the algorithms that are used here.

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, EncodingKey,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{self as ring_signature, EcdsaKeyPair, Ed25519KeyPair, RsaKeyPair, RsaParameters},
};
use signature::{Signer, Verifier};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    // Only for making JWKs of keys, which nothing here does.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Must be called before each use of `jsonwebtoken`; costs nothing again.
pub(crate) fn install() {
    if CryptoProvider::try_get_default().is_none() {
        // If another thread was faster, it has installed the same.
        let _ = RING.install_default();
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "jsonwebtoken asks for it"
)]
fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>, Error> {
    check_family(*algorithm, key.family())?;
    Ok(Box::new(RingVerifier {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "jsonwebtoken asks for it"
)]
fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>, Error> {
    check_family(*algorithm, key.family())?;
    Ok(Box::new(RingSigner {
        algorithm: *algorithm,
        key: key.clone(),
    }))
}

/// A key of one family never serves an algorithm of another one: no HMAC under a public key.
fn check_family(algorithm: Algorithm, family: AlgorithmFamily) -> Result<(), Error> {
    if family.algorithms().contains(&algorithm) {
        Ok(())
    } else {
        Err(ErrorKind::InvalidAlgorithm.into())
    }
}

struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], given: &Vec<u8>) -> Result<(), signature::Error> {
        let rsa = |parameters| verify_rsa(parameters, &self.key, message, given);
        let bytes = || {
            let bytes = self.key.try_get_as_bytes();
            bytes.map_err(|_| signature::Error::new())
        };
        let plain = |algorithm: &'static dyn ring_signature::VerificationAlgorithm| {
            let key = ring_signature::UnparsedPublicKey::new(algorithm, bytes()?);
            key.verify(message, given)
                .map_err(|_| signature::Error::new())
        };
        match self.algorithm {
            Algorithm::RS256 => rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&ring_signature::RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&ring_signature::RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&ring_signature::RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => plain(&ring_signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::ES384 => plain(&ring_signature::ECDSA_P384_SHA384_FIXED),
            Algorithm::EdDSA => plain(&ring_signature::ED25519),
            other => {
                let algorithm = hmac_of(other).ok_or_else(signature::Error::new)?;
                // Compares in constant time.
                hmac::verify(&hmac::Key::new(algorithm, bytes()?), message, given)
                    .map_err(|_| signature::Error::new())
            }
        }
    }
}

fn verify_rsa(
    parameters: &'static RsaParameters,
    key: &DecodingKey,
    message: &[u8],
    given: &[u8],
) -> Result<(), signature::Error> {
    use jsonwebtoken::DecodingKeyKind::{RsaModulusExponent, SecretOrDer};

    let verified = match key.kind() {
        RsaModulusExponent { n, e } => {
            ring_signature::RsaPublicKeyComponents { n, e }.verify(parameters, message, given)
        }
        SecretOrDer(der) => {
            ring_signature::UnparsedPublicKey::new(parameters, der).verify(message, given)
        }
    };
    verified.map_err(|_| signature::Error::new())
}

fn hmac_of(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::HS256 => Some(hmac::HMAC_SHA256),
        Algorithm::HS384 => Some(hmac::HMAC_SHA384),
        Algorithm::HS512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

struct RingSigner {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        let key = self.key.as_bytes();
        let rsa = |encoding| sign_rsa(encoding, key, message);
        let ec = |algorithm| sign_ec(algorithm, key, message);
        match self.algorithm {
            Algorithm::RS256 => rsa(&ring_signature::RSA_PKCS1_SHA256),
            Algorithm::RS384 => rsa(&ring_signature::RSA_PKCS1_SHA384),
            Algorithm::RS512 => rsa(&ring_signature::RSA_PKCS1_SHA512),
            Algorithm::PS256 => rsa(&ring_signature::RSA_PSS_SHA256),
            Algorithm::PS384 => rsa(&ring_signature::RSA_PSS_SHA384),
            Algorithm::PS512 => rsa(&ring_signature::RSA_PSS_SHA512),
            Algorithm::ES256 => ec(&ring_signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => ec(&ring_signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key);
                let pair = pair.map_err(|_| signature::Error::new())?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
            other => {
                let algorithm = hmac_of(other).ok_or_else(signature::Error::new)?;
                let tag = hmac::sign(&hmac::Key::new(algorithm, key), message);
                Ok(tag.as_ref().to_vec())
            }
        }
    }
}

fn sign_rsa(
    encoding: &'static dyn ring_signature::RsaEncoding,
    key: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, signature::Error> {
    let pair = RsaKeyPair::from_pkcs8(key).or_else(|_| RsaKeyPair::from_der(key));
    let pair = pair.map_err(|_| signature::Error::new())?;
    let mut signed = vec![0; pair.public().modulus_len()];
    pair.sign(encoding, &SystemRandom::new(), message, &mut signed)
        .map_err(|_| signature::Error::new())?;
    Ok(signed)
}

fn sign_ec(
    algorithm: &'static ring_signature::EcdsaSigningAlgorithm,
    key: &[u8],
    message: &[u8],
) -> Result<Vec<u8>, signature::Error> {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key, &random);
    let pair = pair.map_err(|_| signature::Error::new())?;
    let signed = pair.sign(&random, message);
    let signed = signed.map_err(|_| signature::Error::new())?;
    Ok(signed.as_ref().to_vec())
}
