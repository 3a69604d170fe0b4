//! Resources that are only read.

use actix_web::{FromRequest, Handler, Resource, Responder, web};
use sse_broadcaster_actix::{Refusal, internal::refused};

/// A resource for `GET` and `HEAD`; other methods are refused.
pub(crate) fn read_only<F, Args>(path: &str, handler: F) -> Resource
where
    F: Handler<Args>,
    F::Output: Responder + 'static,
    Args: FromRequest + 'static,
{
    web::resource(path)
        .route(web::get().to(handler.clone()))
        .route(web::head().to(handler))
        .default_service(web::to(|| async {
            refused(Refusal::method_not_allowed("GET, HEAD"))
        }))
}
