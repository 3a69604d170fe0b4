//! Signatures by the rules of Standard Webhooks: HMAC-SHA256 over id, time and body.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;

/// What a secret begins with whose bytes are written in Base64.
const BASE64_PREFIX: &str = "whsec_";
/// Shortest secret, in bytes.
const MIN_BYTES: usize = 16;

/// The key that the endpoint verifies signatures with.
///
/// ```
/// use sse_broadcaster_presence::WebhookSecret;
///
/// assert!(WebhookSecret::parse("a-secret-of-some-length").is_ok());
/// assert!(WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
/// assert!(WebhookSecret::parse("short").is_err());
/// ```
#[derive(Clone)]
pub struct WebhookSecret(hmac::Key);

/// Why a text is no [`WebhookSecret`]. It does not repeat the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSecret {
    /// It could be guessed.
    #[error(
        "the secret is {bytes} bytes long, and at least {MIN_BYTES} bytes are needed; \"openssl rand -hex 32\" makes one"
    )]
    Short {
        /// How long it is.
        bytes: usize,
    },
    /// It begins with `whsec_`, and not in Base64.
    #[error("what follows {BASE64_PREFIX} in the secret is not Base64")]
    NotBase64,
}

impl WebhookSecret {
    /// Reads the secret: text, or Base64 behind `whsec_`. White space around it is ignored.
    ///
    /// # Errors
    /// For one of less than 16 bytes, and for Base64 that is not valid.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        let text = text.trim();
        let bytes = match text.strip_prefix(BASE64_PREFIX) {
            Some(base64) => STANDARD
                .decode(base64)
                .map_err(|_| InvalidSecret::NotBase64)?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < MIN_BYTES {
            let bytes = bytes.len();
            return Err(InvalidSecret::Short { bytes });
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of the header `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_example_of_standard_webhooks() {
        let secret = WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n").unwrap();
        let signature = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
