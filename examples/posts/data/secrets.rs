//! By what a browser is known. Of the secrets of those who have written only hashes are kept, so that
//! nobody who reads the database can write under their names; and a proof in the cookie tells ids that
//! were given out here from those that a client made up.

use std::fmt;

use ring::{digest, hmac};

/// The hash that is kept of a secret. A secret has 128 random bits: nothing slower is needed.
#[must_use]
pub fn hash(secret: &str) -> String {
    hex(digest::digest(&digest::SHA256, secret.as_bytes()).as_ref())
}

/// Whether this is the hash of the secret, in a time that says nothing of where they differ.
#[must_use]
pub fn matches(hash: &str, secret: &str) -> bool {
    let (kept, given) = (hash.as_bytes(), self::hash(secret));
    let differing = kept
        .iter()
        .zip(given.as_bytes())
        .fold(0, |bits, (a, b)| bits | (a ^ b));
    kept.len() == given.len() && std::hint::black_box(differing) == 0
}

/// Proves that an id and its secret were given out with this database.
pub struct Issuer(hmac::Key);

impl Issuer {
    #[must_use]
    pub fn new(key: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes()))
    }

    #[must_use]
    pub fn proof(&self, id: &str, secret: &str) -> String {
        hex(hmac::sign(&self.0, message(id, secret).as_bytes()).as_ref())
    }

    #[must_use]
    pub fn has_issued(&self, id: &str, secret: &str, proof: &str) -> bool {
        let bytes: Option<Vec<u8>> = (0..proof.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(proof.get(at..at + 2)?, 16).ok())
            .collect();
        let message = message(id, secret);
        bytes.is_some_and(|proof| hmac::verify(&self.0, message.as_bytes(), &proof).is_ok())
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Issuer")
    }
}

fn message(id: &str, secret: &str) -> String {
    format!("{id}.{secret}")
}

fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from_digit(half.into(), 16).unwrap_or_default();
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(digit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_issued_with_the_same_key_is_proven() {
        let (ours, other) = (Issuer::new("key"), Issuer::new("another"));
        let proof = ours.proof("id", "secret");
        assert!(ours.has_issued("id", "secret", &proof));
        assert!(!ours.has_issued("id2", "secret", &proof));
        assert!(!ours.has_issued("id", "secret2", &proof));
        assert!(!other.has_issued("id", "secret", &proof));
        for made_up in ["", "0", "zz", "äö", &"0".repeat(64), &proof[1..]] {
            assert!(!ours.has_issued("id", "secret", made_up), "{made_up}");
        }
    }

    #[test]
    fn a_hash_is_not_its_secret() {
        let kept = hash("secret");
        assert!(matches(&kept, "secret") && !kept.contains("secret"));
        assert!(
            !matches(&kept, "Secret") && !matches("", "secret") && !matches("secret", "secret")
        );
    }
}
