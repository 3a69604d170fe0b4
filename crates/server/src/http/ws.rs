//! `GET /ws`: the stream of `GET /events` over a WebSocket, on which the client can also publish.
//!
//! ```text
//! ws/socket.rs    the body of the response: events and replies in turn, and how the socket ends
//! ws/events.rs    events as frames, in bounded pieces
//! ws/messages.rs  an event or a notice as a message
//! ws/handler.rs   handles the messages of the client
//! ws/incoming.rs  reads frames as whole messages, within the bounds of ws/lengths.rs
//! ws/publish.rs   publishes a message
//! ```
//!
//! actix-ws does the handshake, reads frames, and writes replies. Events do not go through its session, which
//! would copy each of them for every subscriber, and keep many for a client that does not read.

mod events;
mod handler;
mod incoming;
mod lengths;
mod messages;
mod publish;
mod socket;

use std::{rc::Rc, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse, ResponseError as _,
    body::BoxBody,
    http::{
        StatusCode, Version,
        header::{self, HeaderValue},
    },
    web::{self, Payload, ServiceConfig},
};

use crate::http::ws::{
    handler::Client,
    incoming::Incoming,
    messages::{Messages, TracedMessages},
    publish::Publisher,
    socket::Socket,
};
use sse_broadcaster::{broadcaster::Transport, encoding::Encoder};
use sse_broadcaster_access::issuer::Purpose;
use sse_broadcaster_actix::{
    AppState, Problem, Refusal,
    internal::{Head, Link, refused},
};
use sse_broadcaster_http::{
    Joining, OpenedStream, Opening, StreamKind, StreamRequest, grant, read_parameters,
};

pub(super) fn configure(config: &mut ServiceConfig, state: &Arc<AppState>) {
    let socket = web::resource("/ws")
        .app_data(web::Data::from(Arc::clone(state)))
        .route(web::get().to(respond))
        .default_service(web::to(|| async {
            refused(Refusal::method_not_allowed("GET"))
        }));
    config.service(socket);
}

async fn respond(request: HttpRequest, body: Payload, state: web::Data<AppState>) -> HttpResponse {
    let opened = open(&request, body, &state).await;
    opened.unwrap_or_else(|problem| refuse(&problem))
}

async fn open(
    request: &HttpRequest,
    body: Payload,
    state: &web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    let head = Head::from(request);
    state.gate.admit_host(&head)?;
    let scheme = state.scheme(&head);
    state.gate.admit_page(&head, scheme)?;
    StreamKind::Events.check_parameters(&head)?;
    let stream_request = read_parameters(&head, |query, id| {
        StreamRequest::read(query, id)?.into_json()
    })?;
    if request.version() < Version::HTTP_11 {
        return Err(upgrade_required("it came over HTTP/1.0"));
    }
    if request.version() >= Version::HTTP_2 {
        return Err(upgrade_required(
            "it came over HTTP/2, and WebSockets are served over HTTP/1.1",
        ));
    }
    let client = state
        .authorization
        .client(&head, Purpose::Subscribe)
        .await?;
    if client.is_by_cookie() {
        state.gate.admit_page_with_cookies(&head, scheme)?;
    }
    let stream_request = stream_request.restricted_to(&client)?;
    let publisher = Publisher::of(&head, state).await;
    let (mut response, session, incoming) =
        Incoming::open(request, body, publisher.max_message_bytes(), &state.uploads)
            .map_err(|error| upgrade_required(&error.to_string()))?;
    let opening = Opening {
        grants: client.grants(),
        transport: Transport::WebSocket,
        joining: Joining::new(state, stream_request.selector(), &client),
    };
    let encoder: &'static dyn Encoder = if stream_request.wants_traceparent() {
        &TracedMessages
    } else {
        &Messages
    };
    let opened = grant(&head, state, opening, || {
        Ok(stream_request.grant_to(&state.broadcaster, encoder)?)
    });
    let OpenedStream {
        stream,
        slot,
        presence,
        ..
    } = opened.inspect_err(|_| state.broadcaster.count_refused())?;
    if let Ok(head) = stream.head().to_string().parse() {
        let name = header::HeaderName::from_static("event-head");
        response.headers_mut().insert(name, head);
    }
    let link = request.conn_data::<Rc<Link>>().cloned();
    if let Some(link) = &link {
        link.begin_websocket();
        link.watch_disconnect(stream.disconnect_watch());
    }
    let broadcaster = state.broadcaster.clone();
    Ok(response.map_body(|_, replies| {
        let events = events::Events::new(stream, broadcaster);
        let client = Client {
            incoming,
            session,
            publisher,
        };
        BoxBody::new(Socket::open(
            events,
            client,
            replies,
            link,
            (slot, presence),
        ))
    }))
}

fn upgrade_required(why: &str) -> Problem {
    let detail = format!(
        "this is not a WebSocket handshake ({why}); open this address with a WebSocket client, or read the \
         same events from /events"
    );
    Problem::new(StatusCode::UPGRADE_REQUIRED, "upgrade_required", detail)
}

fn refuse(problem: &Problem) -> HttpResponse {
    let mut response = problem.error_response();
    if problem.status() == StatusCode::UPGRADE_REQUIRED {
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        );
    }
    response
}
