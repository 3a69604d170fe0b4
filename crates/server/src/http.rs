//! Serves connections, from the listener to the response.
//!
//! ```text
//! http/listen/       binds addresses and Unix sockets, and accepts
//! http/workers.rs    the worker threads; workers/port.rs is one listener on a worker
//! http/setup.rs      what a connection begins with: a header of the PROXY protocol, and TLS (http/tls.rs)
//! http/redirect.rs   redirects every request to HTTPS
//! http/router.rs     reads the first bytes: a stream goes to direct/, a publisher to publishing/, HTTP/2 to http2/,
//!                    everything else to dispatcher/
//! http/direct/       streams on sockets of the worker's own, in one loop
//! http/publishing/   small publishes, one after the other on a connection
//! http/http2/        connections that speak HTTP/2, with all of their requests
//! http/dispatcher/   the IO under actix's dispatcher, which reads requests and writes responses
//! http/routes/       health, metrics, the page, and the middleware of all routes
//! http/ws/           the WebSocket at /ws
//! http/connection/   what direct/ and dispatcher/ have in common
//! http/date.rs       the time of a response
//! ```

pub(crate) mod connection;
mod date;
mod direct;
mod dispatcher;
pub(crate) mod http2;
pub(crate) mod listen;
mod publishing;
mod redirect;
mod router;
pub(crate) mod routes;
mod setup;
pub(crate) mod tls;
pub(crate) mod workers;
mod ws;
