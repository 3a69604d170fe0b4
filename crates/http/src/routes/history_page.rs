//! A page of history: `GET /events` for clients that accept JSON and not streams.

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{
    StatusCode,
    header::{self, HeaderValue},
};

use super::{
    finish::finish_read,
    streams::{StreamKind, read_parameters},
};
use crate::{
    AppState, PageFormat, PageRequest, Refusal, RequestHead,
    response::{self, Body, EVENT_HEAD, Response, insert_id},
};
use sse_broadcaster::{
    broadcaster::{HistoryReader, PublishError},
    encoding::{Json, TracedJson},
    event::{EventId, Fields},
    history::{Found, Unavailable},
    sse::Frame,
};
use sse_broadcaster_access::issuer::Purpose;

pub(super) async fn respond(
    request: &impl RequestHead,
    state: &AppState,
    format: PageFormat,
) -> Response {
    let page = page(request, state, format).await;
    let mut response = page.unwrap_or_else(Response::from);
    let accept = HeaderValue::from_static("Accept");
    response.headers_mut().append(header::VARY, accept);
    finish_read(request, state, Ok(response))
}

async fn page(
    request: &impl RequestHead,
    state: &AppState,
    format: PageFormat,
) -> Result<Response, Refusal> {
    StreamKind::Events.check_parameters(request)?;
    let PageRequest {
        selector,
        start,
        limit,
        traceparent,
    } = read_parameters(request, PageRequest::read)?;
    let client = state
        .authorization
        .client(request, Purpose::Subscribe)
        .await?;
    let selector = client.selector(selector)?;
    let reading = state.broadcaster.read_history(selector, start, limit);
    let reader = reading.await.map_err(PublishError::Unavailable)?;
    let head = reader.head();
    let body = if request.method() == "HEAD" {
        Body::Empty
    } else {
        let text = if traceparent {
            TracedJson::text
        } else {
            Json::text
        };
        Body::Page(Box::pin(write(reader, format, text)))
    };
    let mut response = response::of(StatusCode::OK, body);
    let headers = response.headers_mut();
    let content_type = HeaderValue::from_static(format.content_type());
    headers.insert(header::CONTENT_TYPE, content_type);
    insert_id(headers, EVENT_HEAD, &head.to_string());
    Ok(response)
}

/// The parts of a page, each read from history when it is polled.
fn write(
    reader: HistoryReader,
    format: PageFormat,
    text: EventText,
) -> impl Stream<Item = Result<Bytes, Unavailable>> {
    stream::try_unfold(
        (reader, Next::Beginning),
        move |(mut reader, next)| async move {
            let (piece, next) = match next {
                Next::Beginning => (begin(format, &reader), Next::Events { first: true }),
                Next::Events { first } => match reader.next().await? {
                    Some(events) => {
                        let lines = lines(format, text, &events, first);
                        (lines, Next::Events { first: false })
                    }
                    None => (end(format, &reader), Next::Nothing),
                },
                Next::Nothing => return Ok(None),
            };
            Ok(Some((Bytes::from(piece), (reader, next))))
        },
    )
}

/// How an event is written.
type EventText = fn(EventId, u64, &Fields<'_>) -> String;

/// The part of a page that is next.
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
        // With the member `type` first, as on a WebSocket.
        (PageFormat::Lines, Some(gap)) => format!("{{\"type\":\"gap\",{}\n", &gap[1..]),
        (PageFormat::Lines, None) => String::new(),
    }
}

fn lines(format: PageFormat, text: EventText, events: &[Found], mut first: bool) -> String {
    let mut lines = String::new();
    for found in events {
        let separator = match format {
            PageFormat::Lines => "",
            PageFormat::Json if first => "\n",
            PageFormat::Json => ",\n",
        };
        lines.push_str(separator);
        let json = text(found.id(), found.time_ms(), &found.fields());
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
