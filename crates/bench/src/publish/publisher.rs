//! One publishing connection: a request, its response, the next request.

use std::io;

use mio::{Interest, Registry, Token};

use crate::{
    http::{
        connection::Connection,
        endpoint::Endpoint,
        rejection,
        response::{Body, Head, MAX_HEAD_BYTES},
    },
    limits,
};
use sse_broadcaster_cli::client;

/// Most bytes of the body of a response that are kept.
const MAX_BODY_BYTES: usize = 4 << 10;
const CUT: &str = "the connection was cut before the response came";

#[derive(Default)]
pub(super) struct Publisher {
    /// `None` where the server has closed it, until the next request.
    connection: Option<Connection>,
    request: Vec<u8>,
    /// How many bytes of the request have been sent.
    written: usize,
    response: Vec<u8>,
    head: Option<Head>,
    /// What is still to come of the response's body, once there is a head.
    body: Option<Body>,
    is_pending: bool,
}

/// The outcome of a publish.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Pending,
    Accepted,
    Rejected(String),
    /// There was no response: the event may have been accepted.
    Unknown(String),
}

impl Publisher {
    /// The buffer of the next request.
    pub(super) fn request(&mut self) -> &mut Vec<u8> {
        &mut self.request
    }

    /// Closes the connection: the next request opens another.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    /// Begins to send the request.
    pub(super) fn send(
        &mut self,
        endpoint: &Endpoint,
        registry: &Registry,
        token: Token,
        buffer: &mut [u8],
    ) -> Outcome {
        (self.is_pending, self.written) = (true, 0);
        self.response.clear();
        (self.head, self.body) = (None, None);
        if self.connection.is_none() {
            let opened = Connection::open(endpoint).and_then(|mut connection| {
                let both = Interest::READABLE | Interest::WRITABLE;
                registry.register(connection.socket(), token, both)?;
                Ok(connection)
            });
            match opened {
                Ok(connection) => self.connection = Some(connection),
                Err(error) => return self.abandon(limits::why(&error, endpoint.address)),
            }
        }
        self.on_ready(buffer, false)
    }

    /// Writes and reads as much as is possible without waiting.
    pub(super) fn on_ready(&mut self, buffer: &mut [u8], is_ending: bool) -> Outcome {
        if let Err(error) = self.write() {
            return self.abandon(client::why_io(&error));
        }
        loop {
            let Some(connection) = &mut self.connection else {
                return Outcome::Pending;
            };
            match connection.read(buffer) {
                Ok(0) => return self.on_close(),
                // The server sends something without a request.
                Ok(_) if !self.is_pending => return self.on_close(),
                Ok(read) => {
                    let is_drained = connection.is_drained_by(read, buffer.len(), is_ending);
                    match self.read(&buffer[..read]) {
                        Ok(Outcome::Pending) if is_drained => return Outcome::Pending,
                        Ok(Outcome::Pending) => {}
                        Ok(done) => return done,
                        Err(why) => return self.abandon(why.to_owned()),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Outcome::Pending,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.abandon(client::why_io(&error)),
            }
        }
    }

    /// Gives up the pending request, and its connection.
    pub(super) fn abandon(&mut self, why: String) -> Outcome {
        self.connection = None;
        if std::mem::take(&mut self.is_pending) {
            Outcome::Unknown(why)
        } else {
            Outcome::Pending
        }
    }

    fn write(&mut self) -> io::Result<()> {
        let Some(connection) = self.connection.as_mut().filter(|_| self.is_pending) else {
            return Ok(());
        };
        match connection.write_more(&self.request, &mut self.written) {
            // The server may reject a request before it has all of it: the response follows.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written,
        }
    }

    fn on_close(&mut self) -> Outcome {
        match (&self.head, self.body) {
            (Some(_), Some(Body::UntilClose)) => self.finish(true),
            _ => self.abandon(CUT.to_owned()),
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Outcome, &'static str> {
        const NOT_HTTP: &str = "the response is not HTTP";
        let from = self.response.len();
        let room = (MAX_HEAD_BYTES + MAX_BODY_BYTES).saturating_sub(from);
        self.response
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        let of_body = if self.head.is_some() {
            bytes
        } else {
            let Some(head) = Head::read(&self.response).map_err(|_| NOT_HTTP)? else {
                return Ok(Outcome::Pending);
            };
            let of_head = head.length - from;
            self.body = Some(head.body);
            self.head = Some(head);
            &bytes[of_head..]
        };
        let Some(body) = &mut self.body else {
            return Ok(Outcome::Pending);
        };
        let read = body.feed(of_body, |_| {}).map_err(|_| NOT_HTTP)?;
        if body.is_done() {
            let has_more = read < of_body.len();
            return Ok(self.finish(has_more));
        }
        Ok(Outcome::Pending)
    }

    fn finish(&mut self, has_to_close: bool) -> Outcome {
        self.is_pending = false;
        let Some(head) = self.head.take() else {
            return Outcome::Pending;
        };
        // The server would read the rest of an unfinished request as the next one.
        if has_to_close || head.closes || self.written < self.request.len() {
            self.connection = None;
        }
        if (200..300).contains(&head.status) {
            return Outcome::Accepted;
        }
        let body = self.response.get(head.length..).unwrap_or_default();
        let mut why = rejection::sentence(&head, body);
        if head.status == 401 {
            why.push_str("; give the right --publish-key, or set SSE_BROADCASTER_PUBLISH_KEY");
        }
        Outcome::Rejected(why)
    }
}
