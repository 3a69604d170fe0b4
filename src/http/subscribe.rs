//! `GET /events`: where a stream begins and what it asks for, and the stream as a response body.

use std::{
    convert::Infallible,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::{ConnectionType, Method, StatusCode, Version, header},
    web::Bytes,
};

use super::{Face, access::Seat, cors, error::Problem, form, link::Link};
use crate::{
    broadcaster::{Broadcaster, Ended, Start, Subscription},
    event::{EventId, Form, Invalid, Selector},
    history::now_ms,
    sse::Frame,
};

/// The names under which clients send their last id in the query.
const LAST_ID_NAMES: [&str; 4] = [
    "last_event_id",
    "lastEventId",
    "lastEventID",
    "Last-Event-ID",
];

/// What a request asks of a stream.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    selector: Selector,
    form: Form,
    start: Start,
    until_head: bool,
}

pub(super) fn answer(request: &HttpRequest, face: &Face) -> HttpResponse {
    let mut answer = stream(request, face).unwrap_or_else(HttpResponse::from_error);
    cors::admit_reader(answer.headers_mut(), &face.gate, request);
    answer
}

fn stream(request: &HttpRequest, face: &Face) -> Result<HttpResponse, Problem> {
    let wish = Wish::of(request)?;
    if request.method() == Method::HEAD {
        return Ok(head(request, None).finish());
    }
    match open(request, face, wish) {
        Ok((subscription, seat)) => {
            let mut head = head(request, Some(subscription.head()));
            Ok(begin(request, &mut head, |link| Body {
                subscription,
                link,
                _seat: seat,
            }))
        }
        Err(problem) => {
            face.broadcaster.count_refused();
            send_away(request, problem)
        }
    }
}

fn open(
    request: &HttpRequest,
    face: &Face,
    wish: Wish,
) -> Result<(Subscription, Option<Seat>), Problem> {
    let address = request.peer_addr().map(|address| address.ip());
    let seat = face.gate.admit_address(address)?;
    Ok((wish.grant(&face.broadcaster)?, seat))
}

/// An EventSource that is answered 503 stops for good: it gets a stream that tells it when to come
/// back, and is cut.
fn send_away(request: &HttpRequest, problem: Problem) -> Result<HttpResponse, Problem> {
    let accepts = request.headers().get_all(header::ACCEPT);
    let streams = accepts
        .filter_map(|accept| accept.to_str().ok())
        .any(|accept| accept.to_ascii_lowercase().contains("text/event-stream"));
    if !streams {
        return Err(problem);
    }
    let retry = Some(Frame::retry(Broadcaster::spread_retry()));
    let mut head = head(request, None);
    Ok(begin(request, &mut head, |link| SentAway { retry, link }))
}

/// The stream's answer. HTTP/1.0 knows no chunks: there the connection's end is the body's.
fn begin<B: MessageBody + 'static>(
    request: &HttpRequest,
    head: &mut HttpResponseBuilder,
    body: impl FnOnce(Option<Rc<Link>>) -> B,
) -> HttpResponse {
    let chunked = request.version() >= Version::HTTP_11;
    let link = request.conn_data::<Rc<Link>>().cloned();
    if let Some(link) = &link {
        link.begin_stream(chunked);
    }
    let mut answer = head.body(body(link));
    if !chunked {
        answer.head_mut().no_chunking(true);
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

/// What every stream's answer begins with; `at` is history's head.
pub(crate) fn stream_head(at: Option<EventId>) -> HttpResponseBuilder {
    let mut head = HttpResponse::build(StatusCode::OK);
    head.insert_header((header::CONTENT_TYPE, "text/event-stream"))
        .insert_header((header::CACHE_CONTROL, "no-cache, no-transform"))
        .insert_header(("x-accel-buffering", "no"));
    if let Some(at) = at {
        head.insert_header(("event-head", at.to_string()));
    }
    head
}

fn head(request: &HttpRequest, at: Option<EventId>) -> HttpResponseBuilder {
    let mut head = stream_head(at);
    if request.conn_data::<Rc<Link>>().is_none() {
        // Somebody else's server: its compression would be one encoder a stream.
        head.insert_header((header::CONTENT_ENCODING, "identity"));
    }
    head
}

/// A stream of what `selector` admits, begun as the request asks.
pub(crate) fn subscribe_as(
    broadcaster: &Broadcaster,
    request: &HttpRequest,
    selector: Selector,
) -> Result<Subscription, Problem> {
    Wish {
        selector,
        ..Wish::of(request)?
    }
    .grant(broadcaster)
}

impl Wish {
    fn grant(self, broadcaster: &Broadcaster) -> Result<Subscription, Problem> {
        let mut subscription = broadcaster.subscribe(self.selector, self.form, self.start)?;
        if self.until_head {
            subscription.tell_head();
        }
        Ok(subscription)
    }

    fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let brought = request.headers().get("last-event-id");
        let brought = brought.map(|id| String::from_utf8_lossy(id.as_bytes()).into_owned());
        Self::read(request.query_string().as_bytes(), brought)
    }

    /// The header wins over the query, which an EventSource repeats as it was at each reconnect.
    fn read(query: &[u8], header_id: Option<String>) -> Result<Self, Problem> {
        let mut topics = Vec::new();
        let (mut query_id, mut since, mut last) = (None, None, None);
        let (mut form, mut until_head) = (Form::Sse, false);
        for (name, value) in form::lossy_pairs(query).filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "topic" => topics.push(value),
                "since" => since = Some(value),
                "last" => last = Some(value),
                "format" => form = read_form(&value)?,
                "until" => until_head = read_until(&value)?,
                name if LAST_ID_NAMES.contains(&name) => query_id = Some(value),
                _ => {}
            }
        }
        let refused = |invalid: Invalid| Problem::bad_request(invalid.code(), invalid.to_string());
        let id = header_id.filter(|id| !id.is_empty()).or(query_id);
        let mut start = match (id, since, last) {
            (Some(id), _, _) => Start::After(id),
            (None, Some(since), _) => read_since(&since)?,
            (None, None, Some(last)) => read_last(&last)?,
            (None, None, None) => Start::Fresh,
        };
        if until_head && start == Start::Fresh {
            start = Start::Last(0);
        }
        Ok(Self {
            selector: Selector::topics(&topics).map_err(refused)?,
            form,
            start,
            until_head,
        })
    }
}

fn read_form(text: &str) -> Result<Form, Problem> {
    match text {
        "sse" => Ok(Form::Sse),
        "json" => Ok(Form::Json),
        _ => Err(Problem::bad_request(
            "invalid_format",
            "format is json or sse",
        )),
    }
}

fn read_until(text: &str) -> Result<bool, Problem> {
    match text {
        "head" => Ok(true),
        _ => Err(Problem::bad_request("invalid_until", "until is head")),
    }
}

fn read_since(text: &str) -> Result<Start, Problem> {
    if text == "earliest" {
        return Ok(Start::Earliest);
    }
    if text.parse::<EventId>().is_ok() {
        return Ok(Start::After(text.to_owned()));
    }
    if let Ok(ago) = humantime::parse_duration(text) {
        let ago = u64::try_from(ago.as_millis()).unwrap_or(u64::MAX);
        return Ok(Start::Since(now_ms().saturating_sub(ago)));
    }
    let time = humantime::parse_rfc3339_weak(text).ok();
    let since_epoch = time.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    match since_epoch {
        Some(time) => Ok(Start::Since(
            u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        )),
        None => Err(Problem::bad_request(
            "invalid_since",
            "since is a duration (10m), a time (2026-01-31T12:00:00Z), an event id, or earliest",
        )),
    }
}

fn read_last(text: &str) -> Result<Start, Problem> {
    match text.parse() {
        Ok(0) => Ok(Start::Fresh),
        Ok(count) => Ok(Start::Last(count)),
        Err(_) => Err(Problem::bad_request(
            "invalid_last",
            "last is a number of events",
        )),
    }
}

/// A subscription as the body of a response. Its end is a cut of the connection, where that is ours;
/// in somebody else's server an error, which does the same after what was written has left.
struct Body {
    subscription: Subscription,
    link: Option<Rc<Link>>,
    _seat: Option<Seat>,
}

impl MessageBody for Body {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let Some(link) = self.link.clone() else {
            let stream = Pin::new(&mut self.subscription);
            let next = futures_util::Stream::poll_next(stream, cx);
            return next.map_err(Into::into);
        };
        match self.subscription.poll_piece(cx) {
            Poll::Ready(Some(bytes)) => Poll::Ready(Some(Ok(bytes))),
            Poll::Ready(None) => {
                link.cut();
                Poll::Pending
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        if self.link.as_ref().is_some_and(|link| link.has_stalled()) {
            self.subscription.ends_as(Ended::Stalled);
        }
    }
}

/// When to come back, and the cut.
struct SentAway {
    retry: Option<Bytes>,
    link: Option<Rc<Link>>,
}

impl MessageBody for SentAway {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        match (self.retry.take(), &self.link) {
            (Some(retry), _) => Poll::Ready(Some(Ok(retry))),
            (None, Some(link)) => {
                link.cut();
                Poll::Pending
            }
            (None, None) => Poll::Ready(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(query: &str, header: Option<&str>) -> Wish {
        Wish::read(query.as_bytes(), header.map(str::to_owned)).unwrap()
    }

    fn after(id: &str) -> Start {
        Start::After(id.to_owned())
    }

    #[test]
    fn the_header_wins_over_the_query_and_an_id_over_since_and_last() {
        let query = "lastEventId=2-2&since=earliest&last=3";
        assert_eq!(wish(query, Some("1-1")).start, after("1-1"));
        assert_eq!(wish(query, Some("")).start, after("2-2"));
        assert_eq!(wish("since=earliest&last=3", None).start, Start::Earliest);
        assert_eq!(wish("last=3", None).start, Start::Last(3));
        assert_eq!(wish("", None).start, Start::Fresh);
    }

    #[test]
    fn every_spelling_of_the_last_id_is_one() {
        for name in LAST_ID_NAMES {
            assert_eq!(wish(&format!("{name}=7-7"), None).start, after("7-7"));
        }
    }

    #[test]
    fn garbage_in_an_id_is_taken_and_unknown_parameters_are_ignored() {
        let wish = wish("last_event_id=%FF%00&datastar={}&nonsense", None);
        assert_eq!(wish.start, after("\u{FFFD}\0"));
        assert_eq!(wish.selector, Selector::topics(&["default"]).unwrap());
    }

    #[test]
    fn what_can_never_work_is_refused() {
        for (query, code) in [
            ("topic=a{b}", "invalid_topic"),
            ("since=yesterday", "invalid_since"),
            ("last=some", "invalid_last"),
            ("format=xml", "invalid_format"),
        ] {
            let refused = Wish::read(query.as_bytes(), None).unwrap_err();
            assert_eq!(refused.code(), code);
        }
    }
}
