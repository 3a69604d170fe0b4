//! Content codings of responses and of request bodies (RFC 9110, section 8.4), as far as an application has them.

use std::{fmt, sync::Arc};

use base64::{Engine as _, prelude::BASE64_STANDARD as STANDARD};
use http::{
    HeaderMap,
    header::{self, HeaderValue},
};
use sse_broadcaster::encoding::ContentCoding;

use crate::{AppState, RequestHead, accept::accepted_of};

const VARY: HeaderValue = HeaderValue::from_static("Accept-Encoding, Available-Dictionary");

/// The content codings of an application. The crate `sse-broadcaster-compression` implements it.
pub trait ContentCodings: fmt::Debug + Send + Sync {
    /// The coding of a stream for a client that accepts these; `None` to send it as it is.
    fn of_stream(&self, accepted: &AcceptedCodings) -> Option<Arc<dyn ContentCoding>>;
}

/// The content codings that a client accepts (RFC 9110, section 12.5.3).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AcceptedCodings {
    weights: Vec<(String, f32)>,
    dictionary: Option<[u8; 32]>,
}

impl AcceptedCodings {
    /// Those of a request.
    pub fn of(request: &impl RequestHead) -> Self {
        let weights = request.header_values("accept-encoding");
        Self {
            dictionary: request.header("available-dictionary").and_then(hash),
            ..Self::from_values(weights)
        }
    }

    /// Those of the values of `Accept-Encoding`.
    pub fn from_values<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        Self {
            weights: accepted_of(values).collect(),
            dictionary: None,
        }
    }

    /// The SHA-256 of the dictionary that the client has for this address (`Available-Dictionary`, RFC 9842).
    #[must_use]
    pub fn dictionary(&self) -> Option<&[u8; 32]> {
        self.dictionary.as_ref()
    }

    /// How much the client prefers a coding, from 0 to 1; 0 for one that it does not name.
    #[must_use]
    pub fn weight(&self, name: &str) -> f32 {
        let named = self.weights.iter().find(|(accepted, _)| accepted == name);
        named.map_or(0.0, |(_, weight)| *weight)
    }
}

/// A byte sequence (RFC 9651, section 3.3.5) of 32 bytes.
fn hash(value: &[u8]) -> Option<[u8; 32]> {
    let text = value.strip_prefix(b":")?.strip_suffix(b":")?;
    let mut hash = [0; 32];
    let length = STANDARD.decode_slice(text, &mut hash).ok()?;
    (length == hash.len()).then_some(hash)
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
        headers.append(header::VARY, VARY);
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
        let weights =
            ["gzip", "br", "zstd", "deflate", "dcz"].map(|name| accepted.weight(name).to_string());
        assert_eq!(weights, ["0.5", "1", "0", "0.001", "0"]);
    }

    #[test]
    fn a_dictionary_is_named_by_its_hash_in_base_64() {
        let whole = b":pZGm1Av0IEBKARczz7exkNYsZb8LzaMrV7J32a2fFG4=:";
        assert_eq!(hash(whole).unwrap()[..2], [0xA5, 0x91]);
        for wrong in [&whole[1..], &whole[..9], b":pZGm:", b"::", b":", b":*:"] {
            assert_eq!(hash(wrong), None);
        }
    }
}
