//! One subscriber: sends its request, reads the head of the response, then finds markers in the stream.

use std::{io, sync::Arc};

use crate::{
    http::{
        connection::Connection,
        rejection,
        response::{Body, Head},
    },
    marker::{Marker, MarkerFinder, RunId},
};
use sse_broadcaster_cli::client;

pub(super) struct Subscriber {
    connection: Connection,
    pub(super) topic: usize,
    state: State,
    finder: MarkerFinder,
    /// It has received an event of the warm-up.
    pub(super) is_warm: bool,
}

enum State {
    /// Boxed, because an open stream has none of it.
    Opening(Box<Opening>),
    Open(Body),
}

struct Opening {
    request: Arc<[u8]>,
    /// How many bytes of the request have been sent.
    written: usize,
    head: Vec<u8>,
}

/// What reading a stream has changed.
#[derive(Debug, Default)]
pub(super) struct ReadOutcome {
    pub(super) has_opened: bool,
    pub(super) has_read: bool,
    /// Why the stream has ended.
    pub(super) end: Option<String>,
}

impl Subscriber {
    pub(super) fn new(connection: Connection, topic: usize, request: Arc<[u8]>) -> Self {
        Self {
            connection,
            topic,
            state: State::Opening(Box::new(Opening {
                request,
                written: 0,
                head: Vec::new(),
            })),
            finder: MarkerFinder::default(),
            is_warm: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Writes and reads as much as is possible without waiting, by a buffer that all subscribers share. Calls
    /// `found` for each marker, with the time when it was read.
    pub(super) fn on_ready(
        &mut self,
        run: &RunId,
        (buffer, is_ending): (&mut [u8], bool),
        mut found: impl FnMut(Marker, u64),
        now: impl Fn() -> u64,
    ) -> ReadOutcome {
        let mut outcome = ReadOutcome::default();
        if let State::Opening(opening) = &mut self.state {
            let written = self
                .connection
                .write_more(&opening.request, &mut opening.written);
            outcome.end = written.err().map(|error| client::why_io(&error));
        }
        while outcome.end.is_none() {
            match self.connection.read(buffer) {
                Ok(0) => outcome.end = Some(self.cut()),
                Ok(read) => {
                    outcome.has_read = true;
                    let now = now();
                    match self.read(run, &buffer[..read], &mut |marker| found(marker, now)) {
                        Ok(has_opened) => outcome.has_opened |= has_opened,
                        Err(why) => outcome.end = Some(why),
                    }
                    if self.connection.is_drained_by(read, buffer.len(), is_ending) {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => outcome.end = Some(client::why_io(&error)),
            }
        }
        outcome
    }

    fn cut(&self) -> String {
        match self.state {
            State::Opening(_) => "the connection was cut before the response came".to_owned(),
            State::Open(_) => "the stream was cut".to_owned(),
        }
    }

    /// Whether these bytes have opened the stream.
    fn read(
        &mut self,
        run: &RunId,
        bytes: &[u8],
        found: &mut impl FnMut(Marker),
    ) -> Result<bool, String> {
        match &mut self.state {
            State::Open(body) => {
                feed(body, &mut self.finder, run, bytes, found)?;
                Ok(false)
            }
            State::Opening(opening) => {
                opening.head.extend_from_slice(bytes);
                let not_http = |_| "the response is not HTTP".to_owned();
                let Some(head) = Head::read(&opening.head).map_err(not_http)? else {
                    return Ok(false);
                };
                let rest = opening.head.split_off(head.length);
                if head.status != 200 || !head.is_event_stream {
                    return Err(rejection::sentence(&head, &rest));
                }
                let mut body = head.body;
                feed(&mut body, &mut self.finder, run, &rest, found)?;
                self.state = State::Open(body);
                Ok(true)
            }
        }
    }
}

fn feed(
    body: &mut Body,
    finder: &mut MarkerFinder,
    run: &RunId,
    bytes: &[u8],
    found: &mut impl FnMut(Marker),
) -> Result<(), String> {
    let fed = body.feed(bytes, |data| finder.feed(run, data, &mut *found));
    fed.map_err(|_| "the body of the stream is not as its head announced".to_owned())?;
    if body.is_done() {
        return Err("the stream ended".to_owned());
    }
    Ok(())
}
