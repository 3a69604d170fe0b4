//! One request of a connection, and its response or stream.

use std::{
    net::SocketAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    rc::Rc,
    sync::Arc,
    task::{Context, Waker},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{Method, Request, header};

use super::{
    Http2,
    head::Head,
    held::Held,
    outgoing::Gone,
    request::{Calling, Sending},
    response::add_date,
    stream::Stream,
    wire::WireWatch,
};
use crate::http::{
    connection::settings::Settings,
    direct::{head::open, inbox::StreamWaker},
};

/// By what a stream is cut: every client takes it for an error of the stream alone. For Node.js and what is built on it
/// `CANCEL` is a clean end.
const CUT: Reason = Reason::INTERNAL_ERROR;

/// What the requests of a connection share.
pub(super) struct ConnectionContext<'a> {
    pub(super) http2: &'a Http2,
    pub(super) watch: &'a WireWatch,
    pub(super) held: &'a Rc<Held>,
    pub(super) peer: Option<SocketAddr>,
}

/// A request, from its head to the end of its response.
pub(super) struct Exchange {
    waker: Arc<StreamWaker>,
    state: State,
}

pub(super) enum State {
    Calling(Box<Calling>),
    Sending(Box<Sending>),
    Streaming(Box<Stream>),
    /// The whole response was sent.
    Over,
}

/// The result of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// It waits for its waker.
    Waiting,
    /// Everything was sent, and the response is to be cut.
    Cut,
    /// Everything was sent.
    Over,
    /// The client has reset it, or an operator has disconnected it.
    Gone,
}

impl Exchange {
    /// Begins to serve a request; `None` for one that is malformed, or that there is no room for.
    pub(super) fn begin(
        connection: &ConnectionContext<'_>,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
        waker: Arc<StreamWaker>,
    ) -> Option<Self> {
        let (parts, body) = request.into_parts();
        let Ok(head) = Head::new(parts, connection.peer) else {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return None;
        };
        if may_ask_for_stream(&head, &body)
            && let Some(begun) = open_stream(connection.http2, &head, &mut respond)
        {
            let state = State::Streaming(Box::new(begun.ok()?));
            return Some(Self { waker, state });
        }
        let Ok(calling) = Calling::new(connection, head, body, respond) else {
            return None;
        };
        let state = State::Calling(Box::new(calling));
        Some(Self { waker, state })
    }

    /// Goes on, up to a bound. Also returns how many bytes were sent.
    pub(super) fn advance(&mut self, shared: &super::Context) -> (Progress, usize) {
        self.waker.reset();
        let waker = Waker::from(Arc::clone(&self.waker));
        let mut cx = Context::from_waker(&waker);
        let advanced = AssertUnwindSafe(|| self.state.advance(&mut cx, shared));
        // A panic of one request must not end the others.
        catch_unwind(advanced).unwrap_or((Progress::Gone, 0))
    }

    /// It was woken while the socket is full: whether an operator has disconnected it.
    pub(super) fn is_disconnected(&mut self) -> bool {
        let State::Streaming(stream) = &mut self.state else {
            return false;
        };
        self.waker.reset();
        let waker = Waker::from(Arc::clone(&self.waker));
        stream.wait(&mut Context::from_waker(&waker)).is_err()
    }

    pub(super) fn is_stream(&self) -> bool {
        matches!(self.state, State::Streaming(_))
    }

    pub(super) fn is_blocked(&self) -> bool {
        match &self.state {
            State::Sending(sending) => sending.is_blocked(),
            State::Streaming(stream) => stream.is_blocked(),
            State::Calling(_) | State::Over => false,
        }
    }

    /// The check at an interval: fails for a client that does not open its windows.
    pub(super) fn check(&mut self, settings: &Settings) -> Result<(), Gone> {
        match &mut self.state {
            State::Sending(sending) => sending.check(settings),
            State::Streaming(stream) => stream.check(settings),
            State::Calling(_) | State::Over => Ok(()),
        }
    }

    /// The client has stalled, so that the connection is closed.
    pub(super) fn stalled(&mut self) {
        if let State::Streaming(stream) = &mut self.state {
            stream.stalled();
        }
    }

    /// Ends the response in a way that its client sees. What has not left for the socket yet is lost.
    pub(super) fn cut(mut self) {
        match &mut self.state {
            State::Sending(sending) => sending.reset(CUT),
            State::Streaming(stream) => stream.reset(CUT),
            State::Calling(calling) => calling.reset(CUT),
            State::Over => {}
        }
    }
}

impl State {
    fn advance(&mut self, cx: &mut Context<'_>, shared: &super::Context) -> (Progress, usize) {
        if let Self::Calling(calling) = self {
            match calling.advance(cx, shared) {
                Ok(Some(next)) => *self = next,
                Ok(None) => return (Progress::Waiting, 0),
                Err(Gone) => return (Progress::Gone, 0),
            }
        }
        match self {
            Self::Sending(sending) => sending.advance(cx),
            Self::Streaming(stream) => stream.advance(cx),
            Self::Calling(_) | Self::Over => (Progress::Over, 0),
        }
    }
}

fn may_ask_for_stream(head: &Head, body: &RecvStream) -> bool {
    let Head { parts, .. } = head;
    parts.method == Method::GET
        && body.is_end_stream()
        && !parts.headers.contains_key(header::EXPECT)
}

/// Opens a stream, if that can be done at once. An error is the end of the connection.
fn open_stream(
    http2: &Http2,
    head: &Head,
    respond: &mut SendResponse<Bytes>,
) -> Option<Result<Stream, h2::Error>> {
    let context = &http2.context;
    let hub = context.hub.as_deref();
    let path = context.settings.paths.base().strip(head.parts.uri.path())?;
    // A request at which this panics goes to actix, which catches that.
    let opened = catch_unwind(AssertUnwindSafe(|| open(path, head, &context.state, hub)));
    let (mut response, opened) = opened.ok().flatten()?;
    add_date(response.headers_mut());
    let send = respond.send_response(response, false);
    Some(send.map(|send| Stream::new(send, opened, context.count_stream())))
}
