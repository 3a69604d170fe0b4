//! Texts that clients keep, and ask each time whether they have changed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, EntityTag, Header as _, IfNoneMatch},
    web::Bytes,
};

const REVALIDATED: &str = "no-cache";

/// A text with its type and entity tag.
pub(super) struct TaggedText {
    text: Bytes,
    content_type: &'static str,
    tag: EntityTag,
}

impl TaggedText {
    pub(super) fn new(content_type: &'static str, text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self {
            text,
            content_type,
            tag: EntityTag::new_strong(format!("{:016x}", hasher.finish())),
        }
    }

    /// The text, or 304 to a client that has it.
    pub(super) fn respond(&self, request: &HttpRequest) -> HttpResponse {
        let is_known = self.is_known(request);
        let mut response = if is_known {
            HttpResponse::NotModified()
        } else {
            HttpResponse::Ok()
        };
        response
            .insert_header((header::CACHE_CONTROL, REVALIDATED))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((header::ETAG, self.tag.to_string()));
        if is_known {
            return response.finish();
        }
        response
            .content_type(self.content_type)
            .body(self.text.clone())
    }

    /// Whether the client has this very text. A proxy that compresses it makes the tag a weak one.
    fn is_known(&self, request: &HttpRequest) -> bool {
        match IfNoneMatch::parse(request) {
            Ok(IfNoneMatch::Any) => true,
            Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|tag| tag.weak_eq(&self.tag)),
            Err(_) => false,
        }
    }
}
