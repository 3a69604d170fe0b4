//! Subscribing: from a request to a stream.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, StatusCode,
    header::{self, HeaderValue},
};
use sse_broadcaster::{
    broadcaster::{Broadcaster, Start, Transport},
    event::Selector,
};
use sse_broadcaster_access::{Grants, issuer::Purpose};
use sse_broadcaster_http::{
    AppState, Body, Client, Joining, OpenedStream, Opening, Refusal, RequestHead, Response,
    accepts_event_stream, grant, insert_coding,
};

use crate::{
    Hub,
    address::Address,
    credentials::{Authorized, authorized},
    cursor,
    encoder::Mercure,
    failure::Failure,
    matchers::{self, Matcher},
};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const NOT_CACHED: HeaderValue =
    HeaderValue::from_static("private, no-cache, no-store, must-revalidate, max-age=0");
const UNBUFFERED: HeaderValue = HeaderValue::from_static("no");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
const LAST_EVENT_ID: [HeaderName; 2] = [
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("mercure-last-event-id"),
];
/// As much of the spread is the broadcaster's: it ends streams up to so much before their deadline.
const SPREAD_LATER: Duration = Duration::from_secs(10);

/// A stream that may be opened.
pub(crate) struct Planned {
    selector: Selector,
    start: Start,
    joining: Option<Joining>,
    matchers: Vec<Matcher>,
    grants: Arc<Grants>,
    pub(crate) headers: HeaderMap,
}

impl Planned {
    /// Opens the stream.
    ///
    /// # Errors
    /// 429 at the limits of subscribers; 503 while the server drains.
    /// Whether the client has all that the stream would ever have.
    pub(crate) fn is_finished(&self, state: &AppState) -> bool {
        state.broadcaster.is_finished(&self.selector, &self.start)
    }

    pub(crate) fn open(
        self,
        hub: &Hub,
        state: &AppState,
        request: &impl RequestHead,
    ) -> Result<OpenedStream, Failure> {
        let opening = Opening {
            grants: &self.grants,
            transport: Transport::Mercure,
            joining: self.joining,
        };
        let opened = grant(request, state, opening, || {
            let subscription = state.broadcaster.subscribe(self.selector, self.start)?;
            let mut stream = subscription.encoded(&Mercure);
            if let Some(every) = hub.options.heartbeat {
                stream.send_heartbeat(every);
            }
            Ok(stream)
        });
        let opened = opened.map_err(|refusal| {
            state.broadcaster.count_refused();
            limited(refusal)
        })?;
        let registered = hub
            .subscriptions
            .get()
            .and_then(|subscriptions| subscriptions.register(&self.matchers, &self.grants));
        Ok(match registered {
            None => opened,
            Some(registered) => opened.until_dropped(registered),
        })
    }
}

fn limited(refusal: Refusal) -> Failure {
    if refusal.code() != "too_many_subscribers" {
        return refusal.into();
    }
    let status = StatusCode::TOO_MANY_REQUESTS;
    Refusal::new(status, "too_many_subscribers", refusal.detail()).into()
}

/// Finds out what a request subscribes to, and where it begins. `pairs` are the parameters.
pub(crate) async fn plan(
    hub: &Hub,
    state: &AppState,
    address: &Address,
    request: &impl RequestHead,
    pairs: &[(String, String)],
) -> Result<Planned, Failure> {
    let Authorized { client, version } =
        authorized(hub, state, request, Purpose::Subscribe, address).await?;
    if !client.is_identified() && !hub.options.anonymous {
        return Err(Failure::token_missing("subscribing"));
    }
    let planned = async {
        let matchers = matchers::read(pairs, || address.base())?;
        let selector = client.restricted(matchers::selector(&matchers)?);
        let selector = match end(hub, &client) {
            Some(end) => selector.until(end),
            None => selector,
        };
        let mut headers = headers();
        let mut start = Start::Live;
        if let Some(cursor) = cursor::sent(request, pairs) {
            let resumed = cursor::resume(&state.broadcaster, &selector, &cursor).await?;
            start = resumed.start;
            insert_reply(&mut headers, &resumed.reply);
        }
        Ok(Planned {
            joining: Joining::new(state, &selector, &client),
            selector,
            start,
            matchers,
            grants: Arc::clone(client.grants()),
            headers,
        })
    };
    planned
        .await
        .map_err(|failure: Failure| failure.of(version))
}

/// When the stream ends: with the grant or the lifetime, or up to a fifth earlier, so that clients do not reconnect all
/// at once.
fn end(hub: &Hub, client: &Client) -> Option<Instant> {
    let now = Instant::now();
    let of_grants = client.grants().deadline();
    let of_grants = of_grants.map(|deadline| deadline.saturating_duration_since(now));
    let longest = [of_grants, hub.options.lifetime]
        .into_iter()
        .flatten()
        .min()?;
    let spread = (longest / 5).saturating_sub(SPREAD_LATER);
    now.checked_add(longest.saturating_sub(spread.mul_f64(fastrand::f64())))
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(12);
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, NOT_CACHED);
    headers.insert(ACCEL_BUFFERING, UNBUFFERED);
    headers
}

/// An id that no header can have is percent-encoded nowhere in the protocol: it is left out.
fn insert_reply(headers: &mut HeaderMap, id: &str) {
    for name in LAST_EVENT_ID {
        if let Ok(value) = HeaderValue::from_bytes(id.as_bytes()) {
            headers.insert(name, value);
        }
    }
}

/// Responds with a stream, or to `HEAD` with its head alone.
pub(crate) async fn respond(
    hub: &Hub,
    state: &AppState,
    address: &Address,
    request: &impl RequestHead,
    pairs: &[(String, String)],
) -> Result<Response, Failure> {
    let opened = async {
        let mut planned = plan(hub, state, address, request, pairs).await?;
        let mut headers = std::mem::take(&mut planned.headers);
        if request.method() == "HEAD" {
            insert_coding(&mut headers, state, None);
            return Ok((StatusCode::OK, headers, Body::Empty));
        }
        if planned.is_finished(state) {
            // An EventSource does not reconnect after it.
            return Ok((StatusCode::NO_CONTENT, HeaderMap::new(), Body::Empty));
        }
        let opened = planned.open(hub, state, request)?;
        insert_coding(&mut headers, state, opened.stream.coding());
        Ok((StatusCode::OK, headers, Body::Stream(Box::new(opened))))
    };
    let (status, headers, body) = match opened.await {
        Ok(opened) => opened,
        Err(failure) => reconnect_later(request, failure)?,
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// An `EventSource` that gets 503 never reconnects. So it gets a stream with the time after which to reconnect, which
/// is then cut.
fn reconnect_later(
    request: &impl RequestHead,
    failure: Failure,
) -> Result<(StatusCode, HeaderMap, Body), Failure> {
    if !failure.is_temporary() || !accepts_event_stream(request) {
        return Err(failure);
    }
    failure.log();
    let after = Broadcaster::spread_retry().as_millis();
    let retry = Bytes::from(format!(":\nretry: {after}\n\n"));
    Ok((StatusCode::OK, headers(), Body::Reconnect(retry)))
}
