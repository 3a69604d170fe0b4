//! A request that actix's routes serve.

use std::{
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpResponse,
    body::{BodySize, BoxBody, MessageBody as _},
};
use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{Method, Response, StatusCode};

use super::{
    Responding,
    body::{IsRead, payload},
    exchange::{ConnectionContext, Progress, State},
    head::Head,
    held::HeldRequest,
    limits::SEND_AT_ONCE,
    outgoing::{Gone, Outgoing},
    response::{has_no_body, head_of},
    stream::Stream,
};
use crate::http::connection::settings::Settings;
use actix_web::HttpMessage as _;
use sse_broadcaster_actix::internal::Link;

/// A request whose response is not there yet.
pub(super) struct Calling {
    responding: Responding,
    respond: SendResponse<Bytes>,
    link: Rc<Link>,
    for_head: bool,
    /// `Some` for a client that waits until it may send the body.
    expects_continue: Option<IsRead>,
    /// The client has reset the stream while the request was written to history.
    is_gone: bool,
    _counted: HeldRequest,
}

/// The request is not served, and was reset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused;

impl Calling {
    pub(super) fn new(
        connection: &ConnectionContext<'_>,
        head: Head,
        body: RecvStream,
        mut respond: SendResponse<Bytes>,
    ) -> Result<Self, Refused> {
        let Some(counted) = connection.held.count(&head.parts) else {
            respond.send_reset(Reason::REFUSED_STREAM);
            return Err(Refused);
        };
        let for_head = head.parts.method == Method::HEAD;
        let expect = head.parts.headers.get(http::header::EXPECT);
        let is_read = IsRead::default();
        let expects_continue = expect
            .filter(|expect| expect.as_bytes().eq_ignore_ascii_case(b"100-continue"))
            .map(|_| Rc::clone(&is_read));
        let payload = payload(body, is_read, connection.watch.clone());
        let Ok(request) = head.into_request(payload) else {
            respond.send_reset(Reason::PROTOCOL_ERROR);
            return Err(Refused);
        };
        let link = Rc::new(Link::taking_stream());
        request.extensions_mut().insert(Rc::clone(&link));
        Ok(Self {
            responding: (connection.http2.call)(request),
            respond,
            link,
            for_head,
            expects_continue,
            is_gone: false,
            _counted: counted,
        })
    }

    /// Goes on until there is a response; returns what follows then.
    pub(super) fn advance(
        &mut self,
        cx: &mut Context<'_>,
        shared: &super::Context,
    ) -> Result<Option<State>, Gone> {
        let responded = self.responding.as_mut().poll(cx);
        let Poll::Ready(response) = responded else {
            self.send_continue();
            if !self.is_gone && self.respond.poll_reset(cx).is_ready() {
                self.is_gone = true;
            }
            // What is being written to history would not be undone.
            return if self.is_gone && !self.link.is_committing() {
                Err(Gone)
            } else {
                Ok(None)
            };
        };
        let response = match response {
            Ok(response) => response.into_parts().1,
            Err(error) => error.error_response(),
        };
        self.begin(response, shared).map(Some)
    }

    pub(super) fn reset(&mut self, reason: Reason) {
        self.respond.send_reset(reason);
    }

    fn send_continue(&mut self) {
        let is_read = self.expects_continue.take_if(|is_read| is_read.get());
        if is_read.is_some() {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::CONTINUE;
            // An error is the end of the stream.
            let _ = self.respond.send_informational(response);
        }
    }

    /// Sends the head.
    fn begin(
        &mut self,
        response: HttpResponse<BoxBody>,
        shared: &super::Context,
    ) -> Result<State, Gone> {
        let stream = self.link.take_stream();
        let size = match stream {
            Some(_) => BodySize::Stream,
            None => response.body().size(),
        };
        let head = head_of(&response, size);
        let is_over = stream.is_none()
            && (self.for_head
                || has_no_body(head.status())
                || matches!(size, BodySize::None | BodySize::Sized(0)));
        let send = self
            .respond
            .send_response(head, is_over)
            .map_err(|_| Gone)?;
        if is_over {
            return Ok(State::Over);
        }
        if let Some(opened) = stream {
            let stream = Stream::new(send, *opened, shared.count_stream());
            return Ok(State::Streaming(Box::new(stream)));
        }
        Ok(State::Sending(Box::new(Sending {
            out: Outgoing::new(send),
            body: response.into_body(),
            link: Rc::clone(&self.link),
        })))
    }
}

/// A response whose body is being sent.
pub(super) struct Sending {
    out: Outgoing,
    body: BoxBody,
    link: Rc<Link>,
}

impl Sending {
    /// Sends of the body what is there, up to a bound. Also returns how many bytes that was.
    pub(super) fn advance(&mut self, cx: &mut Context<'_>) -> (Progress, usize) {
        let mut sent = 0;
        let progress = self.send(cx, &mut sent);
        if progress == Ok(Progress::Waiting) && self.out.check_reset(cx).is_err() {
            return (Progress::Gone, sent);
        }
        (progress.unwrap_or(Progress::Gone), sent)
    }

    fn send(&mut self, cx: &mut Context<'_>, sent: &mut usize) -> Result<Progress, Gone> {
        match self.out.poll_blocked(sent, cx) {
            Poll::Ready(result) => result?,
            Poll::Pending => return Ok(Progress::Waiting),
        }
        while *sent < SEND_AT_ONCE {
            let (bytes, ends) = match std::pin::Pin::new(&mut self.body).poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => (bytes, false),
                Poll::Ready(Some(Err(_))) => {
                    // So that no client takes a part for the whole.
                    self.out.reset(Reason::INTERNAL_ERROR);
                    return Ok(Progress::Over);
                }
                Poll::Ready(None) => (Bytes::new(), true),
                // The time after which to reconnect was sent.
                Poll::Pending if self.link.is_cut() => return Ok(Progress::Cut),
                Poll::Pending => return Ok(Progress::Waiting),
            };
            *sent += bytes.len();
            match self.out.poll_send(bytes, ends, cx) {
                Poll::Ready(result) => result?,
                Poll::Pending => return Ok(Progress::Waiting),
            }
            if ends {
                return Ok(Progress::Over);
            }
        }
        cx.waker().wake_by_ref();
        Ok(Progress::Waiting)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.out.is_blocked()
    }

    /// The check at an interval: fails for a client that does not open its windows.
    pub(super) fn check(&mut self, settings: &Settings) -> Result<(), Gone> {
        if self.out.is_over(settings.stall_timeout, false) {
            return Err(Gone);
        }
        Ok(())
    }

    pub(super) fn reset(&mut self, reason: Reason) {
        self.out.reset(reason);
    }
}
