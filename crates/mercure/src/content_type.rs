//! The type of a body.

use sse_broadcaster_http::{Refusal, RequestHead};

use crate::failure::Failure;

const FORM: &str = "application/x-www-form-urlencoded";

/// Checks that the body is a form.
///
/// # Errors
/// 415 for anything else.
pub(crate) fn is_form(request: &impl RequestHead) -> Result<(), Failure> {
    let content_type = request.header_text("content-type").unwrap_or_default();
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    let charset = parameters.trim().to_ascii_lowercase();
    let is_utf8 = matches!(
        &charset[..],
        "" | "charset=utf-8" | "charset=\"utf-8\"" | "charset=utf8"
    );
    let coding = request.header("content-encoding");
    let is_plain = coding.is_none_or(|coding| coding == b"identity");
    if essence.trim().eq_ignore_ascii_case(FORM) && is_utf8 && is_plain {
        return Ok(());
    }
    Err(Refusal::unsupported_media_type(
        "the body is a form; send it uncompressed in UTF-8, with Content-Type: application/x-www-form-urlencoded",
    )
    .into())
}
