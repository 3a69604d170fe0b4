//! An encrypted connection that keeps no buffers while it is idle.
//!
//! The buffers of rustls' usual connections are most of the memory of an idle client. Its unbuffered ones have none:
//! bytes are decrypted and encrypted in a buffer of the thread, and only what cannot be finished is kept, which is a part
//! of a record that arrives slowly, and a record that the socket has no room for.

use std::{
    fmt,
    io::{self, ErrorKind, IoSlice},
    ops::RangeInclusive,
    sync::Arc,
};

use rustls::{
    ServerConfig,
    server::UnbufferedServerConnection,
    unbuffered::{ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus},
};

use crate::{scratch, socket::Socket};

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
/// The first byte of each record (RFC 8446, section 5.1).
const CONTENT_TYPES: RangeInclusive<u8> = 20..=24;
/// Most bytes of an alert or another record that is not text.
const MAX_CONTROL_RECORD: usize = 1 << 10;
/// Most bytes of such records that wait for room in the socket. A client that has more of them sent than it reads is
/// closed.
const MAX_WAITING_CONTROL: usize = 16 << 10;

/// The server's side of a connection of TLS 1.2 or 1.3.
///
/// It has no socket: that is given to each call, must be the same one each time, and must not block.
pub struct Session {
    connection: UnbufferedServerConnection,
    /// What was received and is not decrypted yet.
    encrypted: Vec<u8>,
    /// Whether that is because the reader had enough, and not because it is incomplete.
    has_whole_record: bool,
    /// What was decrypted beyond what the reader had room for.
    decrypted: Vec<u8>,
    /// Records that the socket has no room for.
    waiting: Vec<u8>,
    /// How many bytes of text the last of these has, which counts as written once all of them are sent.
    waiting_text: usize,
    /// How many bytes the socket has accepted since the last call of `take_sent`.
    sent: usize,
    /// The client has sent its last byte.
    has_ended: bool,
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
            connection: UnbufferedServerConnection::new(config)?,
            encrypted: Vec::new(),
            has_whole_record: false,
            decrypted: Vec::new(),
            waiting: Vec::new(),
            waiting_text: 0,
            sent: 0,
            has_ended: false,
        })
    }

    /// The protocol that the client and the server have agreed on (ALPN, RFC 7301).
    #[must_use]
    pub fn protocol(&self) -> Option<&[u8]> {
        self.connection.alpn_protocol()
    }

    /// Whether the client had keys of an earlier connection.
    #[must_use]
    pub fn is_resumed(&self) -> bool {
        self.connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// Whether what the client has sent, and could not be decrypted, looks like a record.
    pub(crate) fn has_records(&self) -> bool {
        self.encrypted
            .first()
            .is_none_or(|first| CONTENT_TYPES.contains(first))
    }

    /// Goes on with the handshake, as far as bytes have arrived.
    pub(crate) fn shake_hands(&mut self, socket: &impl Socket) -> io::Result<Step> {
        loop {
            if !self.send_waiting(socket)? {
                return Ok(Step::WaitsForRoom);
            }
            if !self.connection.is_handshaking() {
                return Ok(Step::Done);
            }
            let received = scratch::with_input(|space| {
                let received = self.receive(socket, space, SMALL_READ)?;
                let text = &mut |_: &[u8]| false;
                self.decrypt(&mut space[..received], text)
                    .map(|()| received)
            });
            match received {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    return Ok(Step::WaitsForClient);
                }
                Err(error) => {
                    // The alert that says why. Other clients get a response that they can read.
                    if self.has_records() {
                        let _ = self.send_waiting(socket);
                    }
                    return Err(error);
                }
                Ok(_) if self.has_ended => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
            }
        }
    }

    /// Whether bytes of the client were received and not read: no readiness of the socket announces them.
    #[must_use]
    pub fn has_received(&self) -> bool {
        !self.encrypted.is_empty() || !self.decrypted.is_empty()
    }

    /// Reads text of the client into `space`, at least a byte; 0 if there will be no more.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if none has arrived; errors of the socket; [`ErrorKind::InvalidData`] for what is not
    /// valid.
    pub fn read(&mut self, socket: &impl Socket, space: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.decrypted.is_empty() {
                let taken = self.decrypted.len().min(space.len());
                space[..taken].copy_from_slice(&self.decrypted[..taken]);
                self.decrypted.drain(..taken);
                if self.decrypted.is_empty() {
                    self.decrypted = Vec::new();
                }
                return Ok(taken);
            }
            if self.has_ended {
                return Ok(0);
            }
            let mut read = 0;
            let (result, rest) = scratch::with_input(|input| {
                let mut rest = Vec::new();
                let received = match self.receive(socket, input, space.len()) {
                    Ok(received) => received,
                    Err(error) => return (Err(error), rest),
                };
                let text = &mut |text: &[u8]| {
                    let taken = text.len().min(space.len() - read);
                    space[read..read + taken].copy_from_slice(&text[..taken]);
                    read += taken;
                    rest.extend_from_slice(&text[taken..]);
                    read < space.len()
                };
                (self.decrypt(&mut input[..received], text), rest)
            });
            self.decrypted = rest;
            // What the records before an invalid one have is read first.
            if read > 0 {
                return Ok(read);
            }
            result?;
            self.send_control(socket)?;
        }
    }

    /// Reads and discards what has arrived, and returns how many bytes that was; 0 if there will be no more.
    ///
    /// # Errors
    /// As [`read`](Self::read); and [`ErrorKind::InvalidData`] for a record that is incomplete and has more than
    /// `max_partial` bytes.
    pub fn discard(&mut self, socket: &impl Socket, max_partial: usize) -> io::Result<usize> {
        let mut discarded = std::mem::take(&mut self.decrypted).len();
        while discarded == 0 && !self.has_ended {
            scratch::with_input(|input| {
                let received = self.receive(socket, input, SMALL_READ)?;
                let text = &mut |text: &[u8]| {
                    discarded += text.len();
                    true
                };
                self.decrypt(&mut input[..received], text)
            })?;
            if self.encrypted.len() > max_partial {
                return Err(ErrorKind::InvalidData.into());
            }
            self.send_control(socket)?;
        }
        Ok(discarded)
    }

    /// Encrypts and sends text, as one record, of at most 16 KiB. Returns how much of it the socket has accepted, which is
    /// all of the record or none.
    ///
    /// After [`ErrorKind::WouldBlock`] the next call must begin with the same text: a part of its record may have been
    /// sent.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if the socket has no room; errors of the socket.
    pub fn write(&mut self, socket: &impl Socket, text: &[u8]) -> io::Result<usize> {
        self.write_vectored(socket, &[IoSlice::new(text)])
    }

    /// As [`write`](Self::write), with text in several pieces.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_vectored(
        &mut self,
        socket: &impl Socket,
        pieces: &[IoSlice<'_>],
    ) -> io::Result<usize> {
        if !self.send_waiting(socket)? {
            return Err(ErrorKind::WouldBlock.into());
        }
        if self.waiting_text > 0 {
            return Ok(std::mem::take(&mut self.waiting_text));
        }
        scratch::with_text(pieces, MAX_RECORD_TEXT, |text| {
            if text.is_empty() {
                return Ok(0);
            }
            scratch::with_output(|record| {
                let length = self.encrypt(text, record)?;
                let sent = self.send(socket, &record[..length])?;
                if sent == length {
                    return Ok(text.len());
                }
                self.waiting.extend_from_slice(&record[sent..length]);
                self.waiting_text = text.len();
                Err(ErrorKind::WouldBlock.into())
            })
        })
    }

    /// Whether records wait for room in the socket.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Sends the records that wait for room; false if there is too little.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_waiting(&mut self, socket: &impl Socket) -> io::Result<bool> {
        if self.waiting.is_empty() {
            return Ok(true);
        }
        let waiting = std::mem::take(&mut self.waiting);
        let sent = self.send(socket, &waiting)?;
        if sent < waiting.len() {
            self.waiting = waiting[sent..].to_vec();
        }
        Ok(self.waiting.is_empty())
    }

    /// Announces that nothing follows (`close_notify`), as far as the socket has room.
    pub fn close(&mut self, socket: &impl Socket) {
        let mut record = [0; MAX_CONTROL_RECORD];
        let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut []);
        let Ok(ConnectionState::WriteTraffic(mut traffic)) = state else {
            return;
        };
        if let Ok(length) = traffic.queue_close_notify(&mut record)
            && self.send_waiting(socket).is_ok_and(|is_sent| is_sent)
        {
            // The connection is closed anyway.
            let _ = self.send(socket, &record[..length]);
        }
    }

    /// How many bytes the socket has accepted since the last call, with all that encryption adds.
    pub fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.sent)
    }

    /// Puts what was received and not decrypted before at most `max` bytes that have arrived.
    fn receive(&mut self, socket: &impl Socket, space: &mut [u8], max: usize) -> io::Result<usize> {
        let kept = self.encrypted.len();
        let (before, room) = space
            .split_at_mut_checked(kept)
            .filter(|(_, room)| !room.is_empty())
            .ok_or(ErrorKind::InvalidData)?;
        before.copy_from_slice(&self.encrypted);
        let mut received = 0;
        if !std::mem::take(&mut self.has_whole_record) {
            let max = max.clamp(LEAST_READ, room.len());
            received = receive(socket, &mut room[..max])?;
            self.has_ended = received == 0;
        }
        self.encrypted = Vec::new();
        Ok(kept + received)
    }

    /// Decrypts records, and gives their text to `text` until that returns false. What is left is kept. Responses, such as
    /// those of the handshake, wait to be sent.
    fn decrypt(&mut self, input: &mut [u8], text: &mut dyn FnMut(&[u8]) -> bool) -> io::Result<()> {
        let mut used = 0;
        let mut failed = None;
        loop {
            // After an error it must not be given the invalid bytes once more.
            let given = if failed.is_none() {
                &mut input[used..]
            } else {
                &mut []
            };
            let UnbufferedStatus { mut discard, state } =
                self.connection.process_tls_records(given);
            let mut has_enough = false;
            let mut is_over = false;
            match state {
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        discard += record.discard;
                        has_enough |= !text(record.payload);
                    }
                }
                Ok(ConnectionState::EncodeTlsData(data)) => encode(data, &mut self.waiting)?,
                Ok(ConnectionState::TransmitTlsData(sent)) => sent.done(),
                Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => {
                    self.has_ended = true;
                    is_over = true;
                }
                Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => {
                    is_over = true;
                }
                // Data before the end of a handshake is not accepted, and there are no other states.
                Ok(_) => return Err(ErrorKind::InvalidData.into()),
                // The next call has the alert for the client.
                Err(error) if failed.is_none() => failed = Some(error),
                Err(_) => is_over = true,
            }
            used += discard;
            if is_over {
                break;
            }
            if has_enough {
                self.has_whole_record = used < input.len();
                break;
            }
        }
        if let Some(error) = failed {
            // For those who look at what was sent in place of TLS.
            self.encrypted = input[..input.len().min(MAX_CONTROL_RECORD)].to_vec();
            return Err(invalid(error));
        }
        if used < input.len() && !self.has_ended {
            self.encrypted = input[used..].to_vec();
        }
        Ok(())
    }

    /// Sends responses to the client's records that are not text; what the socket has no room for waits.
    fn send_control(&mut self, socket: &impl Socket) -> io::Result<()> {
        self.send_waiting(socket)?;
        if self.waiting.len() > MAX_RECORD + MAX_WAITING_CONTROL {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    fn encrypt(&mut self, text: &[u8], record: &mut [u8]) -> io::Result<usize> {
        let mut begin = 0;
        loop {
            let UnbufferedStatus { state, .. } = self.connection.process_tls_records(&mut []);
            match state.map_err(invalid)? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    let written = traffic.encrypt(text, &mut record[begin..]);
                    return written.map(|written| begin + written).map_err(exhausted);
                }
                // New keys of the client's or of the server's.
                ConnectionState::EncodeTlsData(mut data) => {
                    begin += data
                        .encode(&mut record[begin..])
                        .map_err(io::Error::other)?;
                }
                ConnectionState::TransmitTlsData(sent) => sent.done(),
                ConnectionState::PeerClosed => self.has_ended = true,
                _ => return Err(ErrorKind::NotConnected.into()),
            }
        }
    }

    /// How many of the bytes the socket accepts; 0 if it has no room.
    fn send(&mut self, socket: &impl Socket, bytes: &[u8]) -> io::Result<usize> {
        let mut sent = 0;
        while sent < bytes.len() {
            match socket.send(&bytes[sent..]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => sent += written,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.sent += sent;
        Ok(sent)
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Session")
    }
}

/// Appends a record to those that wait.
fn encode(
    mut data: EncodeTlsData<'_, rustls::server::ServerConnectionData>,
    waiting: &mut Vec<u8>,
) -> io::Result<()> {
    let begin = waiting.len();
    let length = match data.encode(&mut []) {
        Ok(length) => length,
        Err(EncodeError::InsufficientSize(needed)) => {
            waiting.resize(begin + needed.required_size, 0);
            data.encode(&mut waiting[begin..])
                .map_err(io::Error::other)?
        }
        Err(error) => return Err(io::Error::other(error)),
    };
    waiting.truncate(begin + length);
    Ok(())
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

fn invalid(error: rustls::Error) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error)
}

fn exhausted(error: EncryptError) -> io::Error {
    io::Error::other(error)
}
