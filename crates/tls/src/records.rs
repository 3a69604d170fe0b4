//! Records of TLS: decrypts those that arrive, and encrypts text. Has no socket.
//!
//! rustls' unbuffered connections must be given all bytes that they have not asked to discard, with every call: they
//! remember where in them a message begins.

use std::{
    io::{self, ErrorKind},
    ops::RangeInclusive,
    sync::Arc,
};

use rustls::{
    ServerConfig,
    server::{ServerConnectionData, UnbufferedServerConnection},
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus},
};

/// The first byte of each record (RFC 8446, section 5.1).
const CONTENT_TYPES: RangeInclusive<u8> = 20..=24;
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
        let result = self.decrypt_until(input, &mut used, text);
        self.encrypted = input[used..].to_vec();
        let has_enough = result.inspect_err(|_| self.has_failed = true)?;
        self.has_whole_record = has_enough && !self.encrypted.is_empty();
        Ok(())
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
