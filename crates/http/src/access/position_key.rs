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

/// Encrypts positions with AES-128. All nodes of one history, and all later processes on it, need the same key: keep
/// it where the history is. The key can be replaced, for example once the history can be reached that has it;
/// positions of before are then unknown, and a client that resumes from one gets a gap.
///
/// ```
/// use std::sync::Arc;
/// use sse_broadcaster::{EventId, Options, sse::PositionCipher};
/// use sse_broadcaster_http::PositionKey;
///
/// let cipher = PositionKey::new(PositionKey::random()?);
/// let id = EventId::new(1_700_000_000_000, 42);
/// assert_eq!(cipher.decrypt(cipher.encrypt(id)), id);
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
    fn encrypt(&self, id: EventId) -> [u8; 16] {
        let bytes = u128::from(id.ms()) << 64 | u128::from(id.seq());
        let mut block = bytes.to_be_bytes().into();
        self.0.read().encrypt_block(&mut block);
        block.into()
    }

    fn decrypt(&self, encrypted: [u8; 16]) -> EventId {
        let mut block = encrypted.into();
        self.0.read().decrypt_block(&mut block);
        let bytes = u128::from_be_bytes(block.into());
        #[expect(clippy::cast_possible_truncation, reason = "the lower half")]
        EventId::new((bytes >> 64) as u64, bytes as u64)
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
    fn a_position_is_encrypted_as_aes_128_does_and_decrypts_to_itself() {
        // FIPS 197, appendix B.
        let key = 0x2b7e_1516_28ae_d2a6_abf7_1588_09cf_4f3c_u128;
        let cipher = PositionKey::new(key.to_be_bytes());
        let id = EventId::new(0x3243_f6a8_885a_308d, 0x3131_98a2_e037_0734);
        let encrypted = 0x3925_841d_02dc_09fb_dc11_8597_196a_0b32_u128;
        assert_eq!(cipher.encrypt(id), encrypted.to_be_bytes());
        assert_eq!(cipher.decrypt(cipher.encrypt(id)), id);
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
        let before = cipher.encrypt(id);
        cipher.replace(other);
        assert_ne!(cipher.encrypt(id), before);
        assert_ne!(cipher.decrypt(before), id);
        cipher.replace(one);
        assert_eq!(cipher.decrypt(before), id);
        assert_eq!(format!("{cipher:?}"), "PositionKey");
    }
}
