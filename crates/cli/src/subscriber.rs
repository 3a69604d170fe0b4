//! A stream that reconnects, and resumes after the last id.

use std::{
    io::{self, BufReader},
    thread,
    time::Duration,
};

use ureq::{
    Agent, Body,
    http::{HeaderValue, Response, StatusCode, header::AUTHORIZATION},
};

use super::{
    Failure,
    backoff::Backoff,
    client,
    event_stream::{EventStream, Message},
    print_to_stderr,
    target::Target,
    token::TokenArgs,
};
use sse_broadcaster::sse::Position;

/// A server that sends nothing for so long is unreachable: by default it sends a ping far more often.
const SILENCE: Duration = Duration::from_secs(45);

type Query = Vec<(&'static str, String)>;

/// What is kept from one stream to the next.
pub(crate) struct Subscriber {
    agent: Agent,
    target: Target,
    token: TokenArgs,
    /// The query of every request.
    query: Query,
    /// The query for where to begin, until there is an id to resume after.
    start: Query,
    last_id: String,
    head: Option<Position>,
    backoff: Backoff,
    is_reported: bool,
    has_opened: bool,
}

/// A message and its position.
pub(crate) struct Received<'a> {
    pub(crate) message: &'a Message,
    pub(crate) at: Option<Position>,
    /// The position of the head when the first stream was opened.
    pub(crate) head: Option<Position>,
}

/// Why reading a stream has ended.
pub(crate) enum End {
    /// The command has all events that it needs.
    Done,
    /// The stream was cut, and is opened again.
    Cut,
    /// The stream could not be opened, and is tried again.
    Unreachable(String),
    /// Opening the stream again would not help.
    Failed(String),
}

impl Subscriber {
    pub(crate) fn new(target: Target, token: TokenArgs, query: Query, start: Query) -> Self {
        let agent = client::agent(&target, |config| {
            config
                // The connection of a stream is never used again.
                .max_idle_connections(0)
                .timeout_recv_response(Some(SILENCE))
                .timeout_per_read(Some(SILENCE))
        });
        Self {
            agent,
            target,
            token,
            query,
            start,
            last_id: String::new(),
            head: None,
            backoff: Backoff::default(),
            is_reported: false,
            has_opened: false,
        }
    }

    /// Passes every message to `on_message`, until that returns an end.
    pub(crate) fn run(
        mut self,
        mut on_message: impl FnMut(Received) -> Option<End>,
    ) -> Result<(), Failure> {
        loop {
            let end = match self.open() {
                Ok(response) => self.read(response, &mut on_message),
                Err(end) => {
                    self.backoff.failed();
                    end
                }
            };
            match end {
                End::Done => return Ok(()),
                End::Failed(why) => {
                    return Err(Failure::new(format!("{}: {why}", self.target)));
                }
                End::Cut => {}
                End::Unreachable(why) => {
                    if !std::mem::replace(&mut self.is_reported, true) {
                        print_to_stderr(&format!("{}: {why}; retrying", self.target));
                    }
                }
            }
            thread::sleep(self.backoff.pause(fastrand::f64()));
        }
    }

    fn read(
        &mut self,
        response: Response<Body>,
        on_message: &mut impl FnMut(Received) -> Option<End>,
    ) -> End {
        self.head = self.head.or_else(|| head(&response));
        let reader = BufReader::new(response.into_body().into_reader());
        let mut stream = EventStream::new(reader, &self.last_id);
        let mut is_first = true;
        let end = loop {
            match stream.next() {
                Ok(Some(message)) => {
                    // A server that has no room for another subscriber sends a `position` before anything
                    // else, and closes the stream.
                    if is_first && message.name == "position" {
                        continue;
                    }
                    if std::mem::take(&mut is_first) {
                        self.has_opened();
                    }
                    let end = on_message(Received {
                        message: &message,
                        at: stream.last_id().parse().ok(),
                        head: self.head,
                    });
                    if let Some(end) = end {
                        break end;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    break End::Failed(error.to_string());
                }
                Ok(None) | Err(_) if is_first => {
                    break End::Unreachable(
                        "the stream was cut before the first message".to_owned(),
                    );
                }
                Ok(None) | Err(_) => break End::Cut,
            }
        };
        stream.last_id().clone_into(&mut self.last_id);
        match stream.retry() {
            Some(retry) => self.backoff.set_retry(retry),
            None if is_first => self.backoff.failed(),
            None => {}
        }
        end
    }

    fn has_opened(&mut self) {
        self.has_opened = true;
        self.backoff.succeeded();
        if std::mem::take(&mut self.is_reported) {
            print_to_stderr(&format!("{}: connected", self.target));
        }
    }

    fn open(&self) -> Result<Response<Body>, End> {
        let mut request = self
            .agent
            .get(self.target.url())
            .header("accept", "text/event-stream")
            .header("cache-control", "no-store")
            .query_pairs(self.query.iter().map(|(name, value)| (*name, value)));
        if self.last_id.is_empty() {
            request = request.query_pairs(self.start.iter().map(|(name, value)| (*name, value)));
        } else if let Ok(id) = HeaderValue::from_bytes(self.last_id.as_bytes()) {
            request = request.header("last-event-id", id);
        }
        let authorization = self.token.authorization();
        if let Some(value) = authorization.map_err(|failure| End::Failed(failure.line))? {
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.call();
        let mut response = response
            .map_err(|error| self.failed(client::is_temporary(&error), client::why(&error)))?;
        let status = response.status();
        if status == StatusCode::NO_CONTENT {
            print_to_stderr(&format!("{}: the topics are finished", self.target));
            return Err(End::Done);
        }
        if status != StatusCode::OK {
            let is_temporary = client::is_temporary_status(status);
            return Err(self.failed(is_temporary, client::problem(&mut response).sentence()));
        }
        match client::content_type(&response) {
            "text/event-stream" => Ok(response),
            other => {
                let why = format!("this is not an event stream but {other:?}; is the URL right?");
                Err(self.failed(false, why))
            }
        }
    }

    /// A rejection ends the command, unless a stream was open before: then the server, or a proxy in between, is
    /// being restarted.
    fn failed(&self, is_temporary: bool, why: String) -> End {
        if is_temporary || self.has_opened {
            End::Unreachable(why)
        } else {
            End::Failed(why)
        }
    }
}

fn head(response: &Response<Body>) -> Option<Position> {
    let head = response.headers().get("event-head")?;
    head.to_str().ok()?.parse().ok()
}
