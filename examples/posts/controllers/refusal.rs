//! Every answer that is not what was asked for: a status and a sentence, in the form that its reader
//! understands.

use std::fmt;

use actix_web::{
    Error, HttpResponse, ResponseError,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
};

use super::fields;
use crate::{
    data::{Unavailable, WriteError},
    views::{self, Draft},
};

#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    sentence: String,
    /// What was typed, to be shown again where the form itself is gone.
    draft: Option<Draft>,
}

impl Refusal {
    pub fn new(status: StatusCode, sentence: impl Into<String>) -> Self {
        Self {
            status,
            sentence: sentence.into(),
            draft: None,
        }
    }

    pub fn forbidden(sentence: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, sentence)
    }

    pub fn missing(sentence: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, sentence)
    }

    pub fn unprocessable(sentence: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, sentence)
    }

    pub fn with_draft(mut self, draft: Draft) -> Self {
        self.draft = Some(draft);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl ResponseError for Refusal {
    fn status_code(&self) -> StatusCode {
        self.status
    }
}

impl From<Unavailable> for Refusal {
    fn from(_: Unavailable) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The posts cannot be reached at the moment, and nothing was changed. Try again soon.",
        )
    }
}

impl From<WriteError> for Refusal {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Missing => Self::missing("This post is not there any more."),
            WriteError::NotTheirs => {
                Self::forbidden("Only who wrote a post may change it, from the same browser.")
            }
            WriteError::Unavailable => Unavailable.into(),
        }
    }
}

impl From<askama::Error> for Refusal {
    fn from(error: askama::Error) -> Self {
        log::error!("a template failed: {error}");
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The page could not be made.",
        )
    }
}

/// Gives refusals the form that this request wants: a line for htmx to show, an object for who sent
/// JSON, a page for everybody else.
pub async fn dress(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let response = next.call(request).await?.map_into_boxed_body();
    let refusal = response.response().error();
    let Some(refusal) = refusal.and_then(|error| error.as_error::<Refusal>()) else {
        return Ok(response);
    };
    let mut answer = HttpResponse::build(refusal.status);
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    let (content_type, body) = if fields::is_from_htmx(response.request()) {
        (
            views::HTML,
            views::notice(&refusal.sentence).map_err(Refusal::from)?,
        )
    } else if fields::is_json(response.request()) {
        let problem = serde_json::json!({
            "status": refusal.status.as_u16(),
            "detail": refusal.sentence,
        });
        ("application/problem+json", problem.to_string())
    } else {
        let page =
            views::refused(&refusal.sentence, refusal.draft.as_ref()).map_err(Refusal::from)?;
        views::guard(&mut answer);
        (views::HTML, page)
    };
    let answer = answer.content_type(content_type).body(body);
    Ok(response.into_response(answer))
}
