//! Middleware of all routes: marks the connection as busy until the response is complete, so that it hands over
//! no further request, and adds the headers of every response.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_service::Service;
use actix_web::{
    HttpMessage as _,
    body::{BodySize, BoxBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::{
        ConnectionType, Method, Version,
        header::{self, HeaderName, HeaderValue},
    },
    web::Bytes,
};

use sse_broadcaster::internal::MAX_PIECE_BYTES;
use sse_broadcaster_actix::internal::{Framing, Link, Pieces};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const NO_SNIFF: HeaderValue = HeaderValue::from_static(sse_broadcaster_http::NO_SNIFF);

/// The value of `Keep-Alive`: how long an idle connection is kept. `None` if it is not kept.
pub(crate) fn keep_alive_header(keep_alive: Duration) -> Option<HeaderValue> {
    let seconds = Some(keep_alive.as_secs()).filter(|seconds| *seconds > 0)?;
    HeaderValue::from_str(&format!("timeout={seconds}")).ok()
}

pub(crate) fn wrap<S, B>(
    request: ServiceRequest,
    next: &S,
    keep_alive: Option<HeaderValue>,
) -> impl Future<Output = Result<ServiceResponse<BoxBody>, S::Error>> + use<S, B>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>>,
    B: MessageBody + 'static,
{
    let link = request.conn_data::<Rc<Link>>().cloned();
    if let Some(link) = &link {
        link.begin_response(framing(&request));
    }
    let responding = Responding(link);
    // Connections of HTTP/2 have no such header (RFC 9113, section 8.2.2).
    let is_kept = request.version() < Version::HTTP_2
        && request.head().connection_type() == ConnectionType::KeepAlive;
    let keep_alive = keep_alive.filter(|_| is_kept);
    // actix closes the connection where a route has left a part of the body unread, and does not say so beforehand.
    let has_body = !matches!(request.parts().1, Payload::None);
    let reads_body = matches!(
        *request.method(),
        Method::POST | Method::PUT | Method::PATCH
    );
    let response = next.call(request);
    async move {
        let mut response = response.await?;
        let is_read = !has_body || (reads_body && response.status().is_success());
        let is_kept =
            is_read && response.response().head().keep_alive() && !responding.is_streaming();
        if let Some(keep_alive) = keep_alive.filter(|_| is_kept) {
            response.headers_mut().insert(KEEP_ALIVE, keep_alive);
        }
        let headers = response.headers_mut();
        if !headers.contains_key(header::X_CONTENT_TYPE_OPTIONS) {
            headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
        }
        Ok(response.map_body(|_, body| responding.until_end_of(body)))
    }
}

/// The framing of the body, as actix has parsed it.
fn framing(request: &ServiceRequest) -> Framing {
    if matches!(request.parts().1, Payload::None) {
        return Framing::Length(0);
    }
    let headers = request.headers();
    if request.chunked().unwrap_or(false) {
        return Framing::Chunked;
    }
    let is_handshake = headers.get(header::UPGRADE).is_some_and(|upgrade| {
        let upgrade = upgrade.as_bytes().trim_ascii();
        upgrade.eq_ignore_ascii_case(b"websocket")
    });
    let length = headers.get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.trim().parse().ok());
    match length {
        Some(length) if !is_handshake => Framing::Length(length),
        _ => Framing::UntilClose,
    }
}

/// Marks the connection as busy until it is dropped.
struct Responding(Option<Rc<Link>>);

impl Responding {
    fn is_streaming(&self) -> bool {
        self.0.as_ref().is_some_and(|link| link.is_streaming())
    }

    fn until_end_of<B: MessageBody + 'static>(self, body: B) -> BoxBody {
        let body = match body.try_into_bytes() {
            // It is written in one step.
            Ok(bytes) if bytes.len() <= MAX_PIECE_BYTES => return BoxBody::new(bytes),
            Ok(bytes) => BoxBody::new(Pieces::of(bytes)),
            Err(body) => body.boxed(),
        };
        BoxBody::new(RespondingBody {
            body,
            _responding: self,
        })
    }
}

impl Drop for Responding {
    fn drop(&mut self) {
        if let Some(link) = &self.0 {
            link.end_response();
        }
    }
}

/// A body that is written in more than one step.
struct RespondingBody {
    body: BoxBody,
    _responding: Responding,
}

impl MessageBody for RespondingBody {
    type Error = <BoxBody as MessageBody>::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
