//! Content codings of responses and of request bodies (RFC 9110, section 8.4), as far as an application has them.

use std::{fmt, sync::Arc};

use http::{
    HeaderMap,
    header::{self, HeaderValue},
};
use sse_broadcaster::encoding::ContentCoding;

use crate::{AppState, RequestHead, accept::accepted_of};

const ACCEPT_ENCODING: HeaderValue = HeaderValue::from_static("Accept-Encoding");

/// The content codings of an application. The crate `sse-broadcaster-compression` implements it.
pub trait ContentCodings: fmt::Debug + Send + Sync {
    /// The coding of a stream for a client that accepts these; `None` to send it as it is.
    fn of_stream(&self, accepted: &AcceptedCodings) -> Option<Arc<dyn ContentCoding>>;
}

/// The content codings that a client accepts (RFC 9110, section 12.5.3).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AcceptedCodings(Vec<(String, f32)>);

impl AcceptedCodings {
    /// Those of a request.
    pub fn of(request: &impl RequestHead) -> Self {
        Self::from_values(request.header_values("accept-encoding"))
    }

    /// Those of the values of `Accept-Encoding`.
    pub fn from_values<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        Self(accepted_of(values).collect())
    }

    /// How much the client prefers a coding, from 0 to 1; 0 for one that it does not name.
    #[must_use]
    pub fn weight(&self, name: &str) -> f32 {
        let named = self.0.iter().find(|(accepted, _)| accepted == name);
        named.map_or(0.0, |(_, weight)| *weight)
    }
}

/// The coding of a stream that this request opens.
pub(crate) fn of_stream(
    request: &impl RequestHead,
    state: &AppState,
) -> Option<Arc<dyn ContentCoding>> {
    let codings = state.codings.as_ref()?;
    request.header("accept-encoding")?;
    codings.of_stream(&AcceptedCodings::of(request))
}

/// Adds the headers of the response of a stream with this coding, which caches and proxies go by.
pub fn insert_coding(
    headers: &mut HeaderMap,
    state: &AppState,
    coding: Option<&dyn ContentCoding>,
) {
    if state.codings.is_some() {
        headers.append(header::VARY, ACCEPT_ENCODING);
    }
    if let Some(coding) = coding {
        headers.insert(
            header::CONTENT_ENCODING,
            HeaderValue::from_static(coding.name()),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_accepts_the_codings_that_it_names_with_a_weight_above_zero() {
        let values = ["GZIP;q=0.5, br , zstd;q=0", "deflate;q=0.001,*"];
        let values = values.iter().map(|value| value.as_bytes());
        let accepted = AcceptedCodings::from_values(values);
        let weights = ["gzip", "br", "zstd", "deflate", "dcz"].map(|name| accepted.weight(name));
        assert_eq!(weights, [0.5, 1.0, 0.0, 0.001, 0.0]);
    }
}
