//! What proves to the authority that a name leads to this server.

use instant_acme::{ChallengeType, KeyAuthorization};
use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::OrderError;

/// Longest token of a challenge; that of Let's Encrypt has 43 characters.
const MAX_TOKEN_BYTES: usize = 256;

/// How the authority checks that a name leads to this server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChallengeKind {
    /// By a handshake with the name at port 443 (RFC 8737).
    TlsAlpn,
    /// By a request for `/.well-known/acme-challenge/TOKEN` at port 80 (RFC 8555, section 8.3).
    Http,
}

impl ChallengeKind {
    /// As RFC 8555 writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TlsAlpn => "tls-alpn-01",
            Self::Http => "http-01",
        }
    }

    pub(crate) fn wanted(self) -> ChallengeType {
        match self {
            Self::TlsAlpn => ChallengeType::TlsAlpn01,
            Self::Http => ChallengeType::Http01,
        }
    }

    /// What the authority is to be sent.
    pub(crate) fn response(
        self,
        name: &str,
        token: &str,
        proof: &KeyAuthorization,
    ) -> Result<ChallengeResponse, OrderError> {
        check_token(token)?;
        match self {
            Self::TlsAlpn => with_proof(name, proof.digest().as_ref()),
            Self::Http => Ok(ChallengeResponse::Http {
                token: token.to_owned(),
                body: proof.as_str().to_owned(),
            }),
        }
    }
}

/// What the authority is to be sent when it checks a name.
#[derive(Debug)]
pub enum ChallengeResponse {
    /// This certificate, to a client that asks for this name by the protocol `acme-tls/1` alone.
    TlsAlpn {
        /// The name, in lower case.
        name: String,
        /// Signed by itself.
        certificate: CertificateDer<'static>,
        /// Its key.
        key: PrivateKeyDer<'static>,
    },
    /// This body, at `/.well-known/acme-challenge/TOKEN`.
    Http {
        /// The end of the path: letters, digits, `-` and `_`.
        token: String,
        /// The body of the response.
        body: String,
    },
}

/// Sends challenge responses to the authority, when it asks for them.
pub trait Responder {
    /// From now on the authority gets this.
    ///
    /// # Errors
    /// What is wrong with it.
    fn present(&self, response: ChallengeResponse) -> Result<(), String>;

    /// The order has ended: nobody gets any of them any more.
    fn withdraw(&self);
}

/// It becomes part of a path, and the beginning of a body.
fn check_token(token: &str) -> Result<(), OrderError> {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES || !token.bytes().all(is_right) {
        return Err(OrderError::new(
            "the authority's challenge has a token that is not valid",
        ));
    }
    Ok(())
}

/// The certificate of RFC 8737, section 3.
fn with_proof(name: &str, digest: &[u8]) -> Result<ChallengeResponse, OrderError> {
    let mut params = CertificateParams::new([name.to_owned()]).map_err(OrderError::new)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(OrderError::new)?;
    let certificate = params.self_signed(&key).map_err(OrderError::new)?;
    Ok(ChallengeResponse::TlsAlpn {
        name: name.to_owned(),
        certificate: certificate.der().clone(),
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_that_is_no_part_of_a_path_is_refused() {
        assert!(check_token("DGyRejmCefe7v4NfDGDKfA-_").is_ok());
        for token in ["", "a/b", "..", "a.b", "a\r\nb", "é", &"x".repeat(257)] {
            assert!(check_token(token).is_err(), "{token}");
        }
    }

    #[test]
    fn a_challenge_certificate_has_the_proof_in_a_critical_extension() {
        let response = with_proof("a.example", &[7; 32]).unwrap();
        let ChallengeResponse::TlsAlpn { certificate, .. } = response else {
            panic!("{response:?}")
        };
        // 1.3.6.1.5.5.7.1.31, critical, and an octet string of 32 bytes in the octet string of the extension.
        let mut extension = vec![6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 31, 1, 1, 0xff, 4, 34, 4, 32];
        extension.extend([7; 32]);
        let has = |part: &[u8]| certificate.windows(part.len()).any(|bytes| bytes == part);
        assert!(has(&extension) && has(b"a.example"));
    }
}
