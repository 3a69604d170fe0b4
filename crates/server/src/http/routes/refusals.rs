//! Counts refused requests, and logs each at the level debug.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use actix_web::{
    Error,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::StatusCode,
};

use sse_broadcaster::internal::Shown;
use sse_broadcaster_actix::internal::Head;
use sse_broadcaster_http::{AppState, RefusalCounts, RefusalNote};

/// The code of a refusal without a stable code, such as one of actix.
const OTHER: &str = "other";

/// A request, as it is logged.
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) peer: Option<SocketAddr>,
    /// [`AppState::client_ip`].
    pub(crate) client_ip: Option<IpAddr>,
}

impl Request<'_> {
    /// Its client, and the proxy that has passed it on.
    fn client(&self) -> String {
        let peer = self.peer.map(|peer| peer.ip().to_canonical());
        match self.client_ip.filter(|_| self.client_ip != peer) {
            Some(client) => format!("{client} by {}", shown(self.peer)),
            None => shown(self.peer),
        }
    }
}

/// Counts the response to a request if it is a refusal. `code` is its stable code, if it has one.
pub(crate) fn count<'a>(
    refusals: &RefusalCounts,
    request: impl FnOnce() -> Request<'a>,
    status: u16,
    code: Option<&'static str>,
) {
    if !is_refusal(status) {
        return;
    }
    let code = code.unwrap_or(OTHER);
    refusals.count(status, code);
    if log::log_enabled!(log::Level::Debug) {
        let request = request();
        log::debug!(
            "refused {} {} from {}: {status} {code}",
            request.method,
            Shown(request.path),
            request.client(),
        );
    }
}

/// Counts a connection without a header of the PROXY protocol that could be read.
pub(crate) fn count_unproxied(refusals: &RefusalCounts) {
    refusals.count(StatusCode::BAD_REQUEST.as_u16(), OTHER);
}

/// Counts a refusal that the dispatcher makes itself, so that no service is called: of bytes that are not a
/// request, or of a request whose head is not complete in time. True if the response is a refusal.
pub(crate) fn count_unserved(
    refusals: &RefusalCounts,
    response: &[u8],
    peer: Option<SocketAddr>,
) -> bool {
    let Some(status) = status_of(response).filter(|status| is_refusal(status.as_u16())) else {
        return false;
    };
    refusals.count(status.as_u16(), OTHER);
    log::debug!(
        "refused an invalid request from {}: {} {OTHER}",
        shown(peer),
        status.as_u16(),
    );
    true
}

/// The status of a response that begins with these bytes.
fn status_of(response: &[u8]) -> Option<StatusCode> {
    let (version, rest) = response.split_at_checked(9)?;
    let status = rest.get(..3)?;
    let is_http = version.starts_with(b"HTTP/1.") && version.ends_with(b" ");
    StatusCode::from_bytes(status).ok().filter(|_| is_http)
}

/// The address of a peer, which that of a Unix socket does not have.
pub(crate) fn shown(peer: Option<SocketAddr>) -> String {
    let known = peer.filter(|peer| !peer.ip().is_unspecified());
    known.map_or_else(|| "unknown".to_owned(), |peer| peer.to_string())
}

/// Middleware of all routes: counts refusals.
pub(crate) fn observe<S, B>(
    request: ServiceRequest,
    next: &S,
    state: Arc<AppState>,
) -> impl Future<Output = Result<S::Response, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    let response = next.call(request);
    async move {
        let response = response.await;
        match &response {
            Ok(response) => {
                let extensions = response.response().extensions();
                let code = extensions.get::<RefusalNote>().map(|note| note.code);
                let request = response.request();
                let described = || Request {
                    method: request.method().as_str(),
                    path: request.path(),
                    peer: request.peer_addr(),
                    client_ip: state.client_ip(&Head::from(request)),
                };
                let status = response.status().as_u16();
                count(&state.refusals, described, status, code);
            }
            Err(error) => state
                .refusals
                .count(error.as_response_error().status_code().as_u16(), OTHER),
        }
        response
    }
}

fn is_refusal(status: u16) -> bool {
    (400..600).contains(&status)
}
