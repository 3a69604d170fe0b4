//! What a session sends.

use std::io::{self, ErrorKind, IoSlice};

use super::{MAX_RECORD, MAX_RECORD_TEXT, Session};
use crate::{records::MAX_END, scratch, socket::Socket};

/// Most bytes of responses to records that are not text, such as those with new keys, that wait for room in the socket. A
/// client that has more of them sent than it reads is closed.
const MAX_WAITING_RESPONSES: usize = 16 << 10;

impl Session {
    /// Encrypts and sends text, as one record, of at most 16 KiB. Returns how much of it the socket has accepted, which is
    /// all of the record or none.
    ///
    /// After [`ErrorKind::WouldBlock`] the next call must begin with the same text: a part of its record may have been
    /// sent.
    ///
    /// # Errors
    /// [`ErrorKind::WouldBlock`] if the socket has no room; errors of the socket; [`ErrorKind::InvalidData`] if the client
    /// has sent what is not valid.
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
        self.decrypt_kept()?;
        // New keys are announced before they are used.
        if !self.send_waiting(socket)? {
            return Err(ErrorKind::WouldBlock.into());
        }
        scratch::with_text(pieces, MAX_RECORD_TEXT, |text| {
            if text.is_empty() {
                return Ok(0);
            }
            scratch::with_output(|record| {
                let length = self.records.encrypt(text, record)?;
                let sent = self.send(socket, &record[..length])?;
                if sent == length {
                    return Ok(text.len());
                }
                let waiting = &mut self.records.waiting;
                waiting.extend_from_slice(&record[sent..length]);
                self.waiting_text = text.len();
                Err(ErrorKind::WouldBlock.into())
            })
        })
    }

    /// Whether records wait for room in the socket.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.records.waiting.is_empty()
    }

    /// Sends the records that wait for room; false if there is too little.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send_waiting(&mut self, socket: &impl Socket) -> io::Result<bool> {
        if !self.is_waiting() {
            return Ok(true);
        }
        let waiting = std::mem::take(&mut self.records.waiting);
        let sent = self.send(socket, &waiting)?;
        if sent < waiting.len() {
            self.records.waiting = waiting[sent..].to_vec();
        }
        Ok(!self.is_waiting())
    }

    /// Announces that nothing follows (`close_notify`), as far as the socket has room.
    pub fn close(&mut self, socket: &impl Socket) {
        let mut record = [0; MAX_END];
        let decrypted = self.decrypt_kept();
        let end = decrypted.map(|()| self.records.encrypt_end(&mut record));
        if self.send_waiting(socket).is_ok_and(|is_sent| is_sent)
            && let Ok(Some(length)) = end
        {
            // The connection is closed anyway.
            let _ = self.send(socket, &record[..length]);
        }
    }

    /// How many bytes the socket has accepted since the last call, with all that encryption adds.
    pub fn take_sent(&mut self) -> usize {
        std::mem::take(&mut self.sent)
    }

    /// Sends responses to the client's records that are not text; what the socket has no room for waits.
    pub(super) fn send_responses(&mut self, socket: &impl Socket) -> io::Result<()> {
        self.send_waiting(socket)?;
        if self.records.waiting.len() > MAX_RECORD + MAX_WAITING_RESPONSES {
            return Err(ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }

    /// How many of the bytes the socket accepts.
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
