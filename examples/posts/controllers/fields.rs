//! The fields of a request, as JSON or as a form, and what else tells who asks.

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::{JsonBody, Payload, UrlEncoded},
    error::{JsonPayloadError, UrlencodedError},
    http::StatusCode,
};
use futures_util::future::{FutureExt, LocalBoxFuture};
use serde::{Deserialize, de::DeserializeOwned};

use super::Refusal;

/// Longest body: more than any name and message take, in whatever way they are encoded.
const MAX_BODY_BYTES: usize = 32 << 10;
const JSON: &str = "application/json";

/// What is sent with a post. Which of them must be there is each route's to say.
#[derive(Debug, Deserialize)]
pub struct Fields {
    pub username: Option<String>,
    pub message: Option<String>,
}

impl Fields {
    /// # Errors
    /// There is no `message`.
    pub fn message(&self) -> Result<&str, Refusal> {
        self.message
            .as_deref()
            .ok_or_else(|| Refusal::unprocessable("Send the field \"message\", the post's text."))
    }
}

pub fn is_json(request: &HttpRequest) -> bool {
    request.content_type() == JSON
}

pub fn is_from_htmx(request: &HttpRequest) -> bool {
    request.headers().contains_key("hx-request")
}

/// A body of either type.
#[derive(Debug)]
pub struct JsonOrForm<T>(pub T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonOrForm<T> {
    type Error = Refusal;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        match request.content_type() {
            JSON => {
                let body = JsonBody::<T>::new(request, payload, None, false);
                let read = body.limit(MAX_BODY_BYTES).map(|read| match read {
                    Ok(fields) => Ok(Self(fields)),
                    Err(error) => Err(json_refusal(&error)),
                });
                read.boxed_local()
            }
            "application/x-www-form-urlencoded" => {
                let body = UrlEncoded::<T>::new(request, payload);
                let read = body.limit(MAX_BODY_BYTES).map(|read| match read {
                    Ok(fields) => Ok(Self(fields)),
                    Err(error) => Err(form_refusal(&error)),
                });
                read.boxed_local()
            }
            _ => std::future::ready(Err(Refusal::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "Send JSON (Content-Type: application/json) or a form \
                 (application/x-www-form-urlencoded).",
            )))
            .boxed_local(),
        }
    }
}

fn too_large() -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        format!("A body has {MAX_BODY_BYTES} bytes at most."),
    )
}

fn json_refusal(error: &JsonPayloadError) -> Refusal {
    match error {
        JsonPayloadError::Overflow { .. } | JsonPayloadError::OverflowKnownLength { .. } => {
            too_large()
        }
        JsonPayloadError::Deserialize(error) if error.is_data() => {
            Refusal::unprocessable("Send an object whose \"username\" and \"message\" are strings.")
        }
        _ => Refusal::new(StatusCode::BAD_REQUEST, "The body is not valid JSON."),
    }
}

fn form_refusal(error: &UrlencodedError) -> Refusal {
    match error {
        UrlencodedError::Overflow { .. } => too_large(),
        _ => Refusal::new(
            StatusCode::BAD_REQUEST,
            "The body is not a form that has each field once.",
        ),
    }
}
