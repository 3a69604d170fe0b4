//! Records of TLS: decrypts those that arrive, and encrypts text. Has no socket.
//!
//! rustls' unbuffered connections must be given all bytes that they have not asked to discard, with every call: they
//! remember where in them a message begins.

use std::{
    io::{self, ErrorKind},
    ops::RangeInclusive,
    sync::Arc,
    time::Instant,
};

use rustls::{
    ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus},
};

use crate::allowance::{AT_ONCE, Allowance};

/// The first byte of each record (RFC 8446, section 5.1).
const CONTENT_TYPES: RangeInclusive<u8> = 20..=24;
/// Bytes before the text of a record, the last two of which are its length.
const HEADER: usize = 5;
/// Most bytes of the record that announces the end.
pub(crate) const MAX_END: usize = 1 << 10;

/// The state of a connection.
pub(crate) struct Records {
    pub(crate) connection: UnbufferedServerConnection,
    /// What was received and is not decrypted yet.
    pub(crate) encrypted: Vec<u8>,
    /// Whether that is because the reader had enough, and not because it is incomplete.
    pub(crate) has_whole_record: bool,
    /// Records that are to be sent, such as those of the handshake.
    pub(crate) waiting: Vec<u8>,
    /// The client has sent its last byte.
    pub(crate) has_ended: bool,
    /// The client has sent what is not valid: rustls must not be given anything more.
    has_failed: bool,
    without_text: Allowance,
}

impl Records {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            encrypted: Vec::new(),
            has_whole_record: false,
            waiting: Vec::new(),
            has_ended: false,
            has_failed: false,
            without_text: Allowance::default(),
        })
    }

    /// Whether what the client has sent, and could not be decrypted, looks like records.
    pub(crate) fn has_records(&self) -> bool {
        let first = self.encrypted.first();
        first.is_none_or(|first| CONTENT_TYPES.contains(first))
    }

    /// # Errors
    /// The client has sent what is not valid.
    pub(crate) fn check_valid(&self) -> io::Result<()> {
        if self.has_failed {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    /// Decrypts what was received, which begins with what was kept, and gives the text of each record to `text` until that
    /// returns false. What is left is kept.
    pub(crate) fn decrypt(
        &mut self,
        input: &mut [u8],
        text: &mut dyn FnMut(&[u8]) -> bool,
    ) -> io::Result<()> {
        self.check_valid()?;
        let mut used = 0;
        let result = if self.connection.is_handshaking() {
            self.decrypt_until(input, &mut used, text)
        } else {
            self.decrypt_by_parts(input, &mut used, text)
        };
        self.encrypted = input[used..].to_vec();
        let has_enough = result.inspect_err(|_| self.has_failed = true)?;
        self.has_whole_record = has_enough && !self.encrypted.is_empty();
        Ok(())
    }

    /// As [`decrypt_until`](Self::decrypt_until). Looks after so many records how many of them had text: rustls would go
    /// through all others at once.
    fn decrypt_by_parts(
        &mut self,
        input: &mut [u8],
        used: &mut usize,
        text: &mut dyn FnMut(&[u8]) -> bool,
    ) -> io::Result<bool> {
        loop {
            let begin = *used;
            let (whole, length) = whole_records(&input[begin..]);
            let is_last = whole < AT_ONCE;
            let end = if is_last { input.len() } else { begin + length };
            let mut texts = 0;
            let has_enough = self.decrypt_until(&mut input[..end], used, &mut |part| {
                texts += usize::from(!part.is_empty());
                text(part)
            })?;
            let (left, _) = whole_records(&input[*used..end]);
            let without_text = whole.saturating_sub(left + texts);
            if without_text > 0 && !self.without_text.take(without_text, Instant::now()) {
                let error = rustls::Error::General("too many records without text".to_owned());
                return Err(invalid(error));
            }
            if has_enough || is_last || *used == begin {
                return Ok(has_enough);
            }
        }
    }

    /// True if `text` returned false.
    fn decrypt_until(
        &mut self,
        input: &mut [u8],
        used: &mut usize,
        text: &mut dyn FnMut(&[u8]) -> bool,
    ) -> io::Result<bool> {
        loop {
            let mut has_enough = false;
            let UnbufferedStatus { discard, state } =
                self.connection.process_tls_records(&mut input[*used..]);
            let mut discard = discard;
            let is_over = match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        has_enough |= !text(record.payload);
                    }
                    has_enough
                }
                Ok(ConnectionState::EncodeTlsData(data)) => {
                    encode(data, &mut self.waiting)?;
                    false
                }
                Ok(ConnectionState::TransmitTlsData(sent)) => {
                    sent.done();
                    false
                }
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.has_ended = true;
                    true
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => true,
                // Text before the end of a handshake is not accepted, and there are no other states.
                Ok(_) => return Err(ErrorKind::InvalidData.into()),
                Err(error) => {
                    *used += discard;
                    self.take_alert(&mut input[*used..])?;
                    return Err(invalid(error));
                }
            };
            *used += discard;
            if is_over {
                return Ok(has_enough);
            }
        }
    }

    /// After an error there is an alert for the client. One call too many would process what is not valid once more.
    fn take_alert(&mut self, input: &mut [u8]) -> io::Result<()> {
        while self.connection.wants_write() {
            let UnbufferedStatus { state, .. } = self.connection.process_tls_records(input);
            let Ok(ConnectionState::EncodeTlsData(data)) = state else {
                break;
            };
            encode(data, &mut self.waiting)?;
        }
        Ok(())
    }

    /// Encrypts text, with the new keys that the server announces before it. Nothing may be kept but an incomplete record.
    ///
    /// Returns how many bytes of `out` that takes.
    pub(crate) fn encrypt(&mut self, text: &[u8], out: &mut [u8]) -> io::Result<usize> {
        self.check_valid()?;
        let mut begin = 0;
        loop {
            let UnbufferedStatus { state, .. } =
                self.connection.process_tls_records(&mut self.encrypted);
            match state.map_err(invalid)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let written = traffic.encrypt(text, &mut out[begin..]);
                    return written.map(|written| begin + written).map_err(exhausted);
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    let encoded = data.encode(&mut out[begin..]);
                    begin += encoded.map_err(io::Error::other)?;
                }
                ConnectionState::TransmitTlsData(sent) => sent.done(),
                ConnectionState::PeerClosed => self.has_ended = true,
                _ => return Err(ErrorKind::NotConnected.into()),
            }
        }
    }

    /// Encrypts the announcement of the end; `None` where none can be sent.
    pub(crate) fn encrypt_end(&mut self, out: &mut [u8; MAX_END]) -> Option<usize> {
        self.check_valid().ok()?;
        let UnbufferedStatus { state, .. } =
            self.connection.process_tls_records(&mut self.encrypted);
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else {
            return None;
        };
        traffic.queue_close_notify(out).ok()
    }
}

/// How many whole records these bytes begin with, [`AT_ONCE`] at most, and how long they are together.
fn whole_records(bytes: &[u8]) -> (usize, usize) {
    let (mut count, mut end) = (0, 0);
    while count < AT_ONCE
        && let Some(&[_, _, _, high, low]) = bytes[end..].first_chunk::<HEADER>()
        && let next = end + HEADER + usize::from(u16::from_be_bytes([high, low]))
        && next <= bytes.len()
    {
        (count, end) = (count + 1, next);
    }
    (count, end)
}

/// Appends a record to those that wait.
fn encode(
    mut data: EncodeTlsData<'_, ServerConnectionData>,
    waiting: &mut Vec<u8>,
) -> io::Result<()> {
    let begin = waiting.len();
    match data.encode(&mut []) {
        Ok(_) => return Ok(()),
        Err(EncodeError::InsufficientSize(needed)) => {
            waiting.resize(begin + needed.required_size, 0);
        }
        Err(error) => return Err(io::Error::other(error)),
    }
    let length = data.encode(&mut waiting[begin..]);
    waiting.truncate(begin + length.map_err(io::Error::other)?);
    Ok(())
}

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn exhausted(error: EncryptError) -> io::Error {
    io::Error::other(error)
}
