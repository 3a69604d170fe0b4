//! An encrypted connection that keeps no buffers while it is idle.
//!
//! The buffers of rustls' usual connections are most of the memory of an idle client. Its unbuffered ones have none:
//! bytes are decrypted and encrypted in buffers of the thread, and only what cannot be finished is kept, which is a part
//! of a record that arrives slowly, and a record that the socket has no room for.

mod write;

use std::{
    fmt,
    io::{self, ErrorKind},
    sync::Arc,
};

use rustls::ServerConfig;

use crate::{records::Records, scratch, socket::Socket};

/// Most text of a record (RFC 8446, section 5.1).
const MAX_RECORD_TEXT: usize = 16 << 10;
/// Most bytes that encryption adds to it, with its header (RFC 5246, section 6.2.3; RFC 8446, section 5.2).
const MAX_RECORD_OVERHEAD: usize = 5 + 2_048;
/// Longest record.
pub(crate) const MAX_RECORD: usize = MAX_RECORD_TEXT + MAX_RECORD_OVERHEAD;
/// Most bytes that are read at once for a handshake, or to be discarded.
const SMALL_READ: usize = 4 << 10;
/// Fewest bytes that are read at once.
const LEAST_READ: usize = 1 << 10;
/// The server's side of a connection of TLS 1.2 or 1.3.
///
/// It has no socket: that is given to each call, must be the same one each time, and must not block.
pub struct Session {
    records: Records,
    /// What was decrypted beyond what the reader had room for.
    decrypted: Vec<u8>,
    /// How many bytes of text the last of the waiting records has, which count as written once all of them are sent.
    waiting_text: usize,
    /// How many bytes the socket has accepted since the last call of `take_sent`.
    sent: usize,
}

/// What a step of the handshake came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is complete.
    Done,
    /// The client is to send more.
    WaitsForClient,
    /// The socket has no room.
    WaitsForRoom,
}

impl Session {
    pub(crate) fn new(config: Arc<ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            records: Records::new(config)?,
            decrypted: Vec::new(),
            waiting_text: 0,
            sent: 0,
        })
    }

    /// What has been read from the socket before the first call.
    pub(crate) fn put_received(&mut self, received: &[u8]) {
        self.records.encrypted = received.to_vec();
        self.records.has_whole_record = !received.is_empty();
    }

    /// The protocol that the client and the server have agreed on (ALPN, RFC 7301).
    #[must_use]
    pub fn protocol(&self) -> Option<&[u8]> {
        self.records.connection.alpn_protocol()
    }

    /// Whether the client had keys of an earlier connection.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.records.connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// Whether what the client has sent, and could not be decrypted, looks like records.
    pub(crate) fn has_records(&self) -> bool {
        self.records.has_records()
    }

    /// Goes on with the handshake, as far as bytes have arrived.
    pub(crate) fn shake_hands(&mut self, socket: &impl Socket) -> io::Result<Step> {
        loop {
            if !self.send_waiting(socket)? {
                return Ok(Step::WaitsForRoom);
            }
            if !self.records.connection.is_handshaking() {
                return Ok(Step::Done);
            }
            // The first text may arrive together with the end of the handshake.
            let mut text = Vec::new();
            let processed = self.process(socket, SMALL_READ, &mut |part| {
                text.extend_from_slice(part);
                true
            });
            self.decrypted.append(&mut text);
            match processed {
                // The end may arrive together with that of the handshake.
                Ok(()) if self.records.has_ended && self.records.connection.is_handshaking() => {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Step::WaitsForClient);
                }
                Err(error) => {
                    // The alert that says why. Clients of other protocols get a response that they can read.
                    if self.has_records() {
                        let _ = self.send_waiting(socket);
                    }
                    return Err(error);
                }
            }
        }
    }

    /// Whether bytes of the client were received and not read: no readiness of the socket announces them.
    #[must_use]
    pub fn has_received(&self) -> bool {
        self.records.has_whole_record || !self.decrypted.is_empty()
    }

    /// Whether a part of a record has arrived, for which up to 18 KB are kept.
    #[must_use]
    pub fn has_partial_record(&self) -> bool {
        !self.records.encrypted.is_empty()
    }

    /// Reads text of the client into `space`, at least a byte; 0 if there will be no more.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if none has arrived; errors of the socket; [`ErrorKind::InvalidData`] for what is not
    /// valid.
    pub fn read(&mut self, socket: &impl Socket, space: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.decrypted.is_empty() {
                return Ok(self.take_decrypted(space));
            }
            if self.records.has_ended || space.is_empty() {
                return Ok(0);
            }
            let (mut read, mut rest) = (0, Vec::new());
            let result = self.process(socket, space.len(), &mut |text| {
                let taken = text.len().min(space.len() - read);
                space[read..read + taken].copy_from_slice(&text[..taken]);
                read += taken;
                rest.extend_from_slice(&text[taken..]);
                read < space.len()
            });
            self.decrypted = rest;
            // What records before an invalid one have is read first.
            if read > 0 {
                return Ok(read);
            }
            self.respond_to(result, socket)?;
        }
    }

    fn take_decrypted(&mut self, space: &mut [u8]) -> usize {
        let taken = self.decrypted.len().min(space.len());
        space[..taken].copy_from_slice(&self.decrypted[..taken]);
        self.decrypted.drain(..taken);
        if self.decrypted.is_empty() {
            self.decrypted = Vec::new();
        }
        taken
    }

    /// Reads and discards what has arrived, and returns how many bytes that was; 0 if there will be no more.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn discard(&mut self, socket: &impl Socket) -> io::Result<usize> {
        let mut discarded = std::mem::take(&mut self.decrypted).len();
        while discarded == 0 && !self.records.has_ended {
            let result = self.process(socket, SMALL_READ, &mut |text| {
                discarded += text.len();
                true
            });
            self.respond_to(result, socket)?;
        }
        Ok(discarded)
    }

    /// Sends what the client is to have for its records: new keys, or the alert that says what was not valid.
    fn respond_to(&mut self, result: io::Result<()>, socket: &impl Socket) -> io::Result<()> {
        match result {
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                let _ = self.send_waiting(socket);
                Err(error)
            }
            result => result.and_then(|()| self.send_responses(socket)),
        }
    }

    /// How many bytes of buffers it keeps.
    #[cfg(test)]
    pub(crate) fn kept_bytes(&self) -> usize {
        let Records {
            encrypted, waiting, ..
        } = &self.records;
        let buffers = [encrypted, waiting, &self.decrypted];
        buffers.into_iter().map(Vec::capacity).sum()
    }

    /// Receives at most about `max` bytes, and gives the text of whole records to `text` until that returns false.
    fn process(
        &mut self,
        socket: &impl Socket,
        max: usize,
        text: &mut dyn FnMut(&[u8]) -> bool,
    ) -> io::Result<()> {
        self.records.check_valid()?;
        scratch::with_input(|space| {
            let kept = self.records.encrypted.len();
            let (before, room) = space
                .split_at_mut_checked(kept)
                .filter(|(_, room)| !room.is_empty())
                .ok_or(ErrorKind::InvalidData)?;
            before.copy_from_slice(&self.records.encrypted);
            let mut received = 0;
            if !self.records.has_whole_record {
                let max = max.max(LEAST_READ).min(room.len());
                received = receive(socket, &mut room[..max])?;
                self.records.has_ended = received == 0;
            }
            self.records.decrypt(&mut space[..kept + received], text)
        })
    }

    /// Decrypts whole records that are kept, so that only an incomplete one is left.
    fn decrypt_kept(&mut self) -> io::Result<()> {
        if !self.records.has_whole_record {
            return Ok(());
        }
        let mut kept = std::mem::take(&mut self.records.encrypted);
        self.records.decrypt(&mut kept, &mut |text| {
            self.decrypted.extend_from_slice(text);
            true
        })
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

/// Receives at least a byte; 0 if there will be no more.
fn receive(socket: &impl Socket, space: &mut [u8]) -> io::Result<usize> {
    loop {
        match socket.receive(space) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            received => return received,
        }
    }
}
