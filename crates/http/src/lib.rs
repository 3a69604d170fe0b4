//! The HTTP routes of sse-broadcaster, independent of the web framework: requests, rules and responses.
//!
//! An application uses `sse-broadcaster-actix` or `sse-broadcaster-axum`, which serve these routes and
//! re-export what their users need. A crate for another framework implements [`RequestHead`], calls
//! [`respond`], and sends the [`Response`].
//!
//! # Layout
//! - [`AppState`]: what the routes share.
//! - [`RequestHead`], [`Response`], [`Refusal`]: requests, responses, and errors as responses.
//! - [`Access`], [`Gate`]: who may publish, whose pages may read, how many streams an address may have.
//! - [`Authorization`], [`Client`]: what a client may read and publish by a token or a session.
//! - [`TrustedProxies`], [`ProxyHeader`], [`BasePath`]: who the client is, and where the routes are, behind proxies.
//! - [`StreamRequest`], [`SignalsRequest`], [`PageRequest`]: the parameters of reads.
//! - [`select`]: subscriptions by patterns of topics.
//! - [`PublishRequest`], [`PublishMessage`]: events as a client sends them.
//! - [`ContentCodings`], [`BodyCodings`]: how streams and request bodies are compressed.
//! - [`Uploads`]: the bounds that all request bodies share.
//! - [`PublishTrace`], [`PublishTracer`]: the traces that publishes belong to, and who records them.
//! - [`respond`]: the routes; [`Joining`]: a stream that is about to join topics with presence.

#![deny(missing_docs)]

mod accept;
mod access;
mod base_path;
mod coding;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod json_line;
mod parameters;
mod patterns;
mod peer;
mod proxies;
mod publish;
mod refusal;
mod refusal_counts;
mod request;
mod response;
mod routes;
mod state;
mod traces;
mod uploads;

pub use accept::{PageFormat, accepted, accepted_of, accepts_event_stream};
pub use access::{
    Access, AddressSlot, AdmittedOrigin, Authorization, Client, DEFAULT_TOKEN_COOKIE, Gate,
    KeyRing, POSITION_KEY_BYTES, Permit, PositionKey, Publishers, REVOCATIONS_TOPIC, Replaced,
    SentCredentials, SubscribeAccess, TOKEN_PARAMETER, check_admin,
};
pub use base_path::{BasePath, InvalidBasePath};
pub use coding::{AcceptedCodings, ContentCodings, insert_coding};
pub use json_line::json_line;
pub use parameters::{
    PARAMETERS, PageRequest, SIGNALS_PARAMETERS, SignalsRequest, StreamRequest, last_event_id,
    query, read_limit,
};
pub use patterns::select;
pub use peer::UserAgents;
pub use proxies::{
    ForwardedHeader, InvalidProxy, MAX_PROXY_HEADER_BYTES, NotProxied, ProxiedClient, ProxyHeader,
    TrustedProxies,
};
pub use publish::{PublishMessage, PublishRequest, max_json};
pub use refusal::{Progress, Refusal};
pub use refusal_counts::RefusalCounts;
pub use request::RequestHead;
pub use response::{
    Body, NO_SNIFF, OpenedStream, PageBody, RefusalNote, Response, StreamGuard, stream_headers,
};
pub use routes::{
    Joining, Opening, Route, StreamKind, admit_reader, grant, is_chunked, open_stream_now,
    read_parameters, respond,
};
pub use state::AppState;
pub use traces::{PublishSpan, PublishTrace, PublishTracer, TracedPublish};
pub use uploads::{
    BodyCodings, Decoder, Malformed, PART_TIMEOUT, Upload, UploadLimits, Uploads, Whole, read_whole,
};
