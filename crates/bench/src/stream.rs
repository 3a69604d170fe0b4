//! One subscriber: asks, reads the head of the answer, then looks for marks in what comes.

use std::{io, sync::Arc};

use super::{
    link::Link,
    mark::{Finder, Mark, RunId},
    rejection,
    response::{Body, Head},
};
use sse_broadcaster_cli::client;

pub(super) struct Stream {
    pub(super) link: Link,
    pub(super) topic: usize,
    state: State,
    finder: Finder,
    /// Has got an event of the warm-up.
    pub(super) is_warm: bool,
}

enum State {
    /// Boxed, because a stream that is open has none of it.
    Opening(Box<Opening>),
    Open(Body),
}

struct Opening {
    request: Arc<[u8]>,
    written: usize,
    head: Vec<u8>,
}

/// What came of looking at a stream.
#[derive(Debug, Default)]
pub(super) struct ReadOutcome {
    pub(super) has_opened: bool,
    pub(super) has_read: bool,
    /// Why it is at its end.
    pub(super) end: Option<String>,
}

impl Stream {
    pub(super) fn new(link: Link, topic: usize, request: Arc<[u8]>) -> Self {
        Self {
            link,
            topic,
            state: State::Opening(Box::new(Opening {
                request,
                written: 0,
                head: Vec::new(),
            })),
            finder: Finder::default(),
            is_warm: false,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Does what can be done now, with a buffer that all streams share; gives what it finds to `take`,
    /// with the time when it was read.
    pub(super) fn look(
        &mut self,
        run: &RunId,
        (buffer, is_ending): (&mut [u8], bool),
        mut take: impl FnMut(Mark, u64),
        now: impl Fn() -> u64,
    ) -> ReadOutcome {
        let mut outcome = ReadOutcome::default();
        if let State::Opening(opening) = &mut self.state {
            outcome.end = opening.ask(&mut self.link).err();
        }
        while outcome.end.is_none() {
            match self.link.read(buffer) {
                Ok(0) => outcome.end = Some(self.cut()),
                Ok(read) => {
                    outcome.has_read = true;
                    let now = now();
                    match self.read(run, &buffer[..read], &mut |mark| take(mark, now)) {
                        Ok(has_opened) => outcome.has_opened |= has_opened,
                        Err(why) => outcome.end = Some(why),
                    }
                    if self.link.is_drained_by(read, buffer.len(), is_ending) {
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
            State::Opening(_) => "the connection was cut before an answer came".to_owned(),
            State::Open(_) => "the stream was cut".to_owned(),
        }
    }

    /// Says whether the stream is open by that.
    fn read(
        &mut self,
        run: &RunId,
        bytes: &[u8],
        take: &mut impl FnMut(Mark),
    ) -> Result<bool, String> {
        match &mut self.state {
            State::Open(body) => {
                feed(body, &mut self.finder, run, bytes, take)?;
                Ok(false)
            }
            State::Opening(opening) => {
                opening.head.extend_from_slice(bytes);
                let not_http = |_| "the answer is no HTTP".to_owned();
                let Some(head) = Head::read(&opening.head).map_err(not_http)? else {
                    return Ok(false);
                };
                let rest = opening.head.split_off(head.length);
                if head.status != 200 || !head.is_event_stream {
                    return Err(rejection::sentence(&head, &rest));
                }
                let mut body = head.body;
                feed(&mut body, &mut self.finder, run, &rest, take)?;
                self.state = State::Open(body);
                Ok(true)
            }
        }
    }
}

fn feed(
    body: &mut Body,
    finder: &mut Finder,
    run: &RunId,
    bytes: &[u8],
    take: &mut impl FnMut(Mark),
) -> Result<(), String> {
    let fed = body.feed(bytes, |data| finder.feed(run, data, &mut *take));
    fed.map_err(|_| "the stream is not what its head says".to_owned())?;
    if body.is_done() {
        return Err("the stream ended".to_owned());
    }
    Ok(())
}

impl Opening {
    fn ask(&mut self, link: &mut Link) -> Result<(), String> {
        while self.written < self.request.len() {
            match link.write(&self.request[self.written..]) {
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(client::why_io(&error)),
            }
        }
        Ok(())
    }
}
