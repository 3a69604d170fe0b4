//! A stream that comes back by itself.

use std::{
    io::{self, BufReader},
    thread,
    time::Duration,
};

use ureq::{
    Agent, Body,
    http::{HeaderValue, Response, StatusCode},
};

use super::{
    Failure,
    backoff::Backoff,
    client, complain,
    event_stream::{EventStream, Message},
    target::Target,
};
use sse_broadcaster::event::EventId;

/// Servers send a heartbeat far more often by default: one that is silent for so long is gone.
const SILENCE: Duration = Duration::from_secs(45);

type Query = Vec<(&'static str, String)>;

/// What is kept from one stream to the next.
pub(crate) struct Subscriber {
    agent: Agent,
    target: Target,
    /// What every stream is asked for.
    query: Query,
    /// Where the first begins; once there is an id, the next go on from it.
    start: Query,
    last_id: String,
    head: Option<EventId>,
    backoff: Backoff,
    told_away: bool,
    has_opened: bool,
}

/// A message, and where it stands.
pub(crate) struct Received<'a> {
    pub(crate) message: &'a Message,
    pub(crate) at: Option<EventId>,
    /// The last position that there was when the first stream was opened.
    pub(crate) head: Option<EventId>,
}

/// Why a stream is not read any further.
pub(crate) enum End {
    /// It has given all that was wanted of it.
    Done,
    /// To be opened again.
    Cut,
    /// Could not be opened.
    Away(String),
    /// Opening it again would not help.
    Refused(String),
}

impl Subscriber {
    pub(crate) fn new(target: Target, query: Query, start: Query) -> Self {
        let agent = client::agent(&target, |config| {
            config
                // What a stream came over is never used again.
                .max_idle_connections(0)
                .timeout_recv_response(Some(SILENCE))
                .timeout_per_read(Some(SILENCE))
        });
        Self {
            agent,
            target,
            query,
            start,
            last_id: String::new(),
            head: None,
            backoff: Backoff::default(),
            told_away: false,
            has_opened: false,
        }
    }

    /// Gives every message to `take`, until that says that it is the end.
    pub(crate) fn run(
        mut self,
        mut take: impl FnMut(Received) -> Option<End>,
    ) -> Result<(), Failure> {
        loop {
            let end = match self.open() {
                Ok(response) => self.read(response, &mut take),
                Err(end) => {
                    self.backoff.failed();
                    end
                }
            };
            match end {
                End::Done => return Ok(()),
                End::Refused(why) => {
                    return Err(Failure::new(format!("{}: {why}", self.target)));
                }
                End::Cut => {}
                End::Away(why) => {
                    if !std::mem::replace(&mut self.told_away, true) {
                        complain(&format!("{}: {why}; trying on", self.target));
                    }
                }
            }
            thread::sleep(self.backoff.pause(fastrand::f64()));
        }
    }

    fn read(
        &mut self,
        response: Response<Body>,
        take: &mut impl FnMut(Received) -> Option<End>,
    ) -> End {
        self.head = self.head.or_else(|| head(&response));
        let reader = BufReader::new(response.into_body().into_reader());
        let mut stream = EventStream::new(reader, &self.last_id);
        let mut is_first = true;
        let end = loop {
            match stream.next() {
                Ok(Some(message)) => {
                    // A server that has no place for one more subscriber sends it back by a `position`
                    // before anything else.
                    if is_first && message.name == "position" {
                        continue;
                    }
                    if std::mem::take(&mut is_first) {
                        self.has_opened();
                    }
                    let end = take(Received {
                        message: &message,
                        at: stream.last_id().parse().ok(),
                        head: self.head,
                    });
                    if let Some(end) = end {
                        break end;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                    break End::Refused(error.to_string());
                }
                Ok(None) | Err(_) if is_first => {
                    break End::Away("cut before anything came".to_owned());
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
        self.backoff.worked();
        if std::mem::take(&mut self.told_away) {
            complain(&format!("{}: connected", self.target));
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
        let response = request.call();
        let mut response =
            response.map_err(|error| self.failed(client::may_pass(&error), client::why(&error)))?;
        let status = response.status();
        if status != StatusCode::OK {
            let passing = client::is_passing(status);
            return Err(self.failed(passing, client::problem(&mut response).sentence()));
        }
        match client::content_type(&response) {
            "text/event-stream" => Ok(response),
            other => {
                let why = format!("this is no event stream but {other:?}; is the URL right?");
                Err(self.failed(false, why))
            }
        }
    }

    /// A refusal is the caller's to mend. After a stream was open, it is something in between that
    /// restarts.
    fn failed(&self, passing: bool, why: String) -> End {
        if passing || self.has_opened {
            End::Away(why)
        } else {
            End::Refused(why)
        }
    }
}

fn head(response: &Response<Body>) -> Option<EventId> {
    let head = response.headers().get("event-head")?;
    head.to_str().ok()?.parse().ok()
}
