//! Positions are encrypted by AES under one key.

use std::{fmt, io};

use aes::{
    Aes128,
    cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _},
};
use parking_lot::RwLock;
use sse_broadcaster::{event::EventId, sse::PositionCipher};

/// Length of a key in bytes.
pub const POSITION_KEY_BYTES: usize = 16;

const SEQ_BITS: u32 = 53;
const SALT_BITS: u32 = 27;
/// Until the year 10889.
const MAX_MS: u64 = (1 << 48) - 1;
/// Redis compares sequences as numbers of 53 bits.
const MAX_SEQ: u64 = (1 << SEQ_BITS) - 1;
const MAX_SALT: u32 = (1 << SALT_BITS) - 1;

/// Encrypts positions with AES-128: 48 bits of milliseconds, 53 of the sequence, and 27 of the salt. Ids beyond, which
/// no history gives, decrypt to an id that is unknown. All nodes of one history, and all later processes on it, need
/// the same key: keep it where the history is. The key can be replaced, for example once the history can be reached
/// that has it; positions of before are then unknown, and a client that resumes from one gets a gap.
///
/// ```
/// use std::sync::Arc;
/// use sse_broadcaster::{EventId, Options, sse::PositionCipher};
/// use sse_broadcaster_http::PositionKey;
///
/// let cipher = PositionKey::new(PositionKey::random()?);
/// let id = EventId::new(1_700_000_000_000, 42);
/// assert_eq!(cipher.decrypt(cipher.encrypt(id, 7)), id);
/// let options = Options::default().position_cipher(Arc::new(cipher));
/// # Ok::<_, std::io::Error>(())
/// ```
pub struct PositionKey(RwLock<Aes128>);

impl PositionKey {
    /// Encrypts with this key.
    #[must_use]
    pub fn new(key: [u8; POSITION_KEY_BYTES]) -> Self {
        Self(RwLock::new(Aes128::new(&key.into())))
    }

    /// A new random key, by the generator of the system.
    ///
    /// # Errors
    /// The system has none.
    pub fn random() -> io::Result<[u8; POSITION_KEY_BYTES]> {
        let mut key = [0; POSITION_KEY_BYTES];
        getrandom::fill(&mut key)?;
        Ok(key)
    }

    /// Encrypts with this key from now on.
    pub fn replace(&self, key: [u8; POSITION_KEY_BYTES]) {
        *self.0.write() = Aes128::new(&key.into());
    }
}

impl PositionCipher for PositionKey {
    fn encrypt(&self, id: EventId, salt: u32) -> [u8; 16] {
        let ms = u128::from(id.ms().min(MAX_MS));
        let seq = u128::from(id.seq().min(MAX_SEQ));
        let salt = u128::from(salt & MAX_SALT);
        let plain = (ms << SEQ_BITS | seq) << SALT_BITS | salt;
        let mut block = plain.to_be_bytes().into();
        self.0.read().encrypt_block(&mut block);
        block.into()
    }

    fn decrypt(&self, encrypted: [u8; 16]) -> EventId {
        let mut block = encrypted.into();
        self.0.read().decrypt_block(&mut block);
        let id = u128::from_be_bytes(block.into()) >> SALT_BITS;
        #[expect(clippy::cast_possible_truncation, reason = "both parts are masked")]
        EventId::new((id >> SEQ_BITS) as u64 & MAX_MS, id as u64 & MAX_SEQ)
    }
}

/// Without the key.
impl fmt::Debug for PositionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PositionKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_decrypts_to_itself_with_any_salt_and_differs_with_each() {
        let cipher = PositionKey::new(PositionKey::random().unwrap());
        for id in [
            EventId::new(0, 1),
            EventId::new(1_796_000_000_000, 1 << 32),
            EventId::new(MAX_MS, MAX_SEQ),
        ] {
            let salts = [0, 1, 2, MAX_SALT, u32::MAX - 1];
            let texts = salts.map(|salt| cipher.encrypt(id, salt));
            for text in texts {
                assert_eq!(cipher.decrypt(text), id);
                assert_eq!(texts.iter().filter(|other| **other == text).count(), 1);
            }
        }
        let beyond = cipher.decrypt(cipher.encrypt(EventId::new(u64::MAX, 7), 0));
        assert_eq!(beyond, EventId::new(MAX_MS, 7));
    }

    #[test]
    fn a_replaced_key_encrypts_otherwise_and_debug_shows_no_key() {
        let (one, other) = (
            PositionKey::random().unwrap(),
            PositionKey::random().unwrap(),
        );
        assert_ne!(one, other);
        let cipher = PositionKey::new(one);
        let id = EventId::new(5, 1);
        let before = cipher.encrypt(id, 0);
        cipher.replace(other);
        assert_ne!(cipher.encrypt(id, 0), before);
        assert_ne!(cipher.decrypt(before), id);
        cipher.replace(one);
        assert_eq!(cipher.decrypt(before), id);
        assert_eq!(format!("{cipher:?}"), "PositionKey");
    }
}
