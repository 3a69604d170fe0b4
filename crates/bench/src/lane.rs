//! One publishing connection: a request, its response, the next request.

use std::io;

use mio::{Interest, Registry, Token};

use super::{
    endpoint::Endpoint,
    limits,
    link::Link,
    rejection,
    response::{Body, Head, MAX_HEAD_BYTES},
};
use sse_broadcaster_cli::client;

/// Most that is kept of what a server says to a publish.
const MAX_SAID_BYTES: usize = 4 << 10;
const CUT: &str = "the connection was cut before the answer came";

#[derive(Default)]
pub(super) struct Lane {
    /// None where the server has closed it, until the next request.
    link: Option<Link>,
    request: Vec<u8>,
    written: usize,
    answer: Vec<u8>,
    head: Option<Head>,
    /// What is still to come of the answer's body, once there is a head.
    rest: Option<Body>,
    is_asking: bool,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answered {
    NotYet,
    Taken,
    Refused(String),
    /// Whether it was taken nobody knows.
    Never(String),
}

impl Lane {
    /// The buffer of the next request.
    pub(super) fn request(&mut self) -> &mut Vec<u8> {
        &mut self.request
    }

    /// The next request opens a connection of its own.
    pub(super) fn close(&mut self) {
        self.link = None;
    }

    /// Begins to send the request.
    pub(super) fn ask(
        &mut self,
        place: &Endpoint,
        registry: &Registry,
        token: Token,
        buffer: &mut [u8],
    ) -> Answered {
        (self.is_asking, self.written) = (true, 0);
        self.answer.clear();
        (self.head, self.rest) = (None, None);
        if self.link.is_none() {
            let opened = Link::open(place).and_then(|mut link| {
                let both = Interest::READABLE | Interest::WRITABLE;
                registry.register(link.socket(), token, both)?;
                Ok(link)
            });
            match opened {
                Ok(link) => self.link = Some(link),
                Err(error) => return self.never(limits::why(&error, place.address)),
            }
        }
        self.look(buffer, false)
    }

    /// Does what can be done now.
    pub(super) fn look(&mut self, buffer: &mut [u8], is_ending: bool) -> Answered {
        if let Err(error) = self.send() {
            return self.never(client::why_io(&error));
        }
        loop {
            let Some(link) = &mut self.link else {
                return Answered::NotYet;
            };
            match link.read(buffer) {
                Ok(0) => return self.closed(),
                // It speaks without being asked.
                Ok(_) if !self.is_asking => return self.closed(),
                Ok(read) => {
                    let is_drained = link.is_drained_by(read, buffer.len(), is_ending);
                    match self.read(&buffer[..read]) {
                        Ok(Answered::NotYet) if is_drained => return Answered::NotYet,
                        Ok(Answered::NotYet) => {}
                        Ok(done) => return done,
                        Err(why) => return self.never(why.to_owned()),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Answered::NotYet,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return self.never(client::why_io(&error)),
            }
        }
    }

    /// Gives up the request that is under way, and its connection.
    pub(super) fn never(&mut self, why: String) -> Answered {
        self.link = None;
        if std::mem::take(&mut self.is_asking) {
            Answered::Never(why)
        } else {
            Answered::NotYet
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let Some(link) = self.link.as_mut().filter(|_| self.is_asking) else {
            return Ok(());
        };
        while self.written < self.request.len() {
            match link.write(&self.request[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // It may have been refused before all of it was written: the answer says so.
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn closed(&mut self) -> Answered {
        match (&self.head, self.rest) {
            (Some(_), Some(Body::UntilClose)) => self.done(true),
            _ => self.never(CUT.to_owned()),
        }
    }

    fn read(&mut self, bytes: &[u8]) -> Result<Answered, &'static str> {
        const NOT_HTTP: &str = "the answer is no HTTP";
        let from = self.answer.len();
        let room = (MAX_HEAD_BYTES + MAX_SAID_BYTES).saturating_sub(from);
        self.answer
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
        let fresh = if self.head.is_some() {
            bytes
        } else {
            let Some(head) = Head::read(&self.answer).map_err(|_| NOT_HTTP)? else {
                return Ok(Answered::NotYet);
            };
            let of_head = head.length - from;
            self.rest = Some(head.body);
            self.head = Some(head);
            &bytes[of_head..]
        };
        let Some(rest) = &mut self.rest else {
            return Ok(Answered::NotYet);
        };
        let taken = rest.feed(fresh, |_| {}).map_err(|_| NOT_HTTP)?;
        if rest.is_done() {
            let has_more = taken < fresh.len();
            return Ok(self.done(has_more));
        }
        Ok(Answered::NotYet)
    }

    fn done(&mut self, is_over: bool) -> Answered {
        self.is_asking = false;
        let Some(head) = self.head.take() else {
            return Answered::NotYet;
        };
        // What was not sent of the request would be taken for the next one.
        if is_over || head.closes || self.written < self.request.len() {
            self.link = None;
        }
        if (200..300).contains(&head.status) {
            return Answered::Taken;
        }
        let said = self.answer.get(head.length..).unwrap_or_default();
        let mut why = rejection::sentence(&head, said);
        if head.status == 401 {
            why.push_str("; give the right --publish-key, or set SSE_BROADCASTER_PUBLISH_KEY");
        }
        Answered::Refused(why)
    }
}
