//! `GET /events` for clients that accept JSON and no stream: a bounded part of history, read once.

use actix_web::{
    HttpRequest, HttpResponse,
    body::BodyStream,
    dev::RequestHead,
    http::{Method, header},
    web::Bytes,
};
use futures_util::{Stream, TryStreamExt as _, stream};

use super::{
    AppState, cors,
    error::{no_store, refused},
    media::{EVENT_STREAM, accepted},
    pieces::pieces,
    subscribe::{Route, read},
};
use sse_broadcaster::{
    broadcaster::{HistoryReader, PublishError},
    history::{Found, Unavailable},
    sse::Frame,
};
use sse_broadcaster_http::{EVENT_HEAD, PageRequest, Refusal};

const JSON: &str = "application/json";
/// The name that is written, and others that are read.
const LINES: [&str; 3] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
];

/// How a page of history is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFormat {
    /// One object around all events.
    Json,
    /// One event a line, a gap before the first.
    Lines,
}

impl PageFormat {
    /// What `Accept` names, if it is no stream: one that names `text/event-stream` as well, as Datastar
    /// does, or nothing of this, gets a stream.
    pub fn of(request: &RequestHead) -> Option<Self> {
        let mut format = None;
        for (essence, _) in accepted(&request.headers) {
            match essence.as_str() {
                EVENT_STREAM => return None,
                JSON => format = format.or(Some(Self::Json)),
                essence if LINES.contains(&essence) => format = format.or(Some(Self::Lines)),
                _ => {}
            }
        }
        format
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Lines => LINES[0],
        }
    }
}

pub(super) async fn respond(
    request: &HttpRequest,
    state: &AppState,
    format: PageFormat,
) -> HttpResponse {
    let response = page(request, state, format).await;
    let mut response = response.unwrap_or_else(refused);
    let accept = header::HeaderValue::from_static("Accept");
    response.headers_mut().append(header::VARY, accept);
    cors::admit_reader(response.headers_mut(), &state.gate, request.head());
    response
}

async fn page(
    request: &HttpRequest,
    state: &AppState,
    format: PageFormat,
) -> Result<HttpResponse, Refusal> {
    Route::Events.check_parameters(request.head())?;
    let PageRequest {
        selector,
        start,
        limit,
    } = read(request.head(), PageRequest::read)?;
    let reading = state.broadcaster.read_history(selector, start, limit);
    let reader = reading.await.map_err(PublishError::Unavailable)?;
    let mut response = HttpResponse::Ok();
    response
        .content_type(format.content_type())
        .insert_header(no_store())
        .insert_header((EVENT_HEAD, reader.head().to_string()));
    if request.method() == Method::HEAD {
        return Ok(response.finish());
    }
    let pieces = write(reader, format).map_ok(|bytes| stream::iter(pieces::<Unavailable>(bytes)));
    Ok(response.body(BodyStream::new(pieces.try_flatten())))
}

/// The page in pieces, each read when the one before has been written. An error cuts the connection, so
/// that no client takes what it has for the whole.
fn write(
    reader: HistoryReader,
    format: PageFormat,
) -> impl Stream<Item = Result<Bytes, Unavailable>> {
    stream::try_unfold(
        (reader, Next::Beginning),
        move |(mut reader, next)| async move {
            let (piece, next) = match next {
                Next::Beginning => (begin(format, &reader), Next::Events { first: true }),
                Next::Events { first } => match reader.next().await? {
                    Some(events) => (lines(format, &events, first), Next::Events { first: false }),
                    None => (end(format, &reader), Next::Nothing),
                },
                Next::Nothing => return Ok(None),
            };
            Ok(Some((Bytes::from(piece), (reader, next))))
        },
    )
}

/// What is to be written next of a page.
enum Next {
    Beginning,
    Events { first: bool },
    Nothing,
}

fn begin(format: PageFormat, reader: &HistoryReader) -> String {
    let missing = reader.missing();
    let gap = missing.map(|missing| Frame::gap_data(&missing.requested, missing.oldest));
    match (format, gap) {
        (PageFormat::Json, gap) => {
            let (head, gap) = (reader.head(), gap.as_deref().unwrap_or("null"));
            format!(r#"{{"head":"{head}","gap":{gap},"events":["#)
        }
        // A member more before the gap's own, as on a WebSocket.
        (PageFormat::Lines, Some(gap)) => format!("{{\"type\":\"gap\",{}\n", &gap[1..]),
        (PageFormat::Lines, None) => String::new(),
    }
}

fn lines(format: PageFormat, events: &[Found], mut first: bool) -> String {
    let mut lines = String::new();
    for found in events {
        let separator = match format {
            PageFormat::Lines => "",
            PageFormat::Json if first => "\n",
            PageFormat::Json => ",\n",
        };
        lines.push_str(separator);
        let json = Frame::json(found.id(), found.time_ms(), &found.fields());
        lines.push_str(&json);
        if format == PageFormat::Lines {
            lines.push('\n');
        }
        first = false;
    }
    lines
}

fn end(format: PageFormat, reader: &HistoryReader) -> String {
    match format {
        PageFormat::Json => format!(
            "\n],\"position\":\"{}\",\"more\":{}}}\n",
            reader.position(),
            reader.has_more()
        ),
        PageFormat::Lines => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn format_of(accept: &str) -> Option<PageFormat> {
        let request = TestRequest::get().insert_header((header::ACCEPT, accept));
        PageFormat::of(request.to_http_request().head())
    }

    #[test]
    fn a_page_is_for_clients_that_accept_json_and_no_event_stream() {
        let (json, lines) = (Some(PageFormat::Json), Some(PageFormat::Lines));
        for (accept, format) in [
            ("application/json", json),
            ("Application/JSON; charset=utf-8", json),
            ("application/json, text/plain, */*", json),
            ("application/x-ndjson", lines),
            ("application/jsonl, application/json", lines),
            ("*/*", None),
            ("text/html,application/xhtml+xml,*/*;q=0.8", None),
            ("text/event-stream", None),
            ("text/event-stream, text/html, application/json", None),
            ("application/json, text/event-stream;q=0.1", None),
            ("application/json, text/event-stream;q=0", json),
            ("application/json;q=0.0", None),
            ("", None),
        ] {
            assert_eq!(format_of(accept), format, "{accept:?}");
        }
    }
}
