//! How many requests were refused, by status and code; each is logged at debug.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use actix_web::{
    Error, HttpRequest,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::StatusCode,
};
use parking_lot::Mutex;

use super::{Face, error::RefusalCode};
use crate::shown::Shown;

/// The code of what was refused without one of ours.
const OTHER: &str = "other";

/// Both labels come from the program: what clients send adds none.
#[derive(Debug, Default)]
pub(crate) struct Refusals(Mutex<BTreeMap<(u16, &'static str), u64>>);

impl Refusals {
    pub(crate) fn counts(&self) -> Vec<((u16, &'static str), u64)> {
        let counts = self.0.lock();
        counts
            .iter()
            .map(|(labels, count)| (*labels, *count))
            .collect()
    }

    pub(crate) fn count(&self, status: StatusCode, code: &'static str) {
        *self.0.lock().entry((status.as_u16(), code)).or_default() += 1;
    }

    fn count_request(&self, request: &HttpRequest, status: StatusCode, code: &'static str) {
        self.count(status, code);
        log::debug!(
            "refused {} {} from {}: {} {code}",
            request.method(),
            Shown(request.path()),
            peer(request.peer_addr()),
            status.as_u16(),
        );
    }
}

fn peer(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

/// Stands before all routes, and counts what they refuse.
pub(super) fn observe<S, B>(
    request: ServiceRequest,
    next: &S,
    face: Arc<Face>,
) -> impl Future<Output = Result<S::Response, Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
{
    let response = next.call(request);
    async move {
        let response = response.await;
        match &response {
            Ok(response) if is_refusal(response.status()) => {
                let extensions = response.response().extensions();
                let code = extensions.get::<RefusalCode>().map_or(OTHER, |code| code.0);
                face.refusals
                    .count_request(response.request(), response.status(), code);
            }
            Ok(_) => {}
            Err(error) => face
                .refusals
                .count(error.as_response_error().status_code(), OTHER),
        }
        response
    }
}

fn is_refusal(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}
