//! Subscriptions as JSON, in the form of the version of their matcher.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::Subscription;
use crate::{matchers::MatchType, routes::HUB_PATH};

pub(super) const CONTEXT: &str = "https://mercure.rocks/";

/// All but the unreserved characters of RFC 3986.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// `urn:uuid:` and a random UUID, of version 4.
pub(super) fn random_id() -> String {
    let random = fastrand::u128(..);
    let bits = (random & !(0xf << 76) & !(0b11 << 62)) | (4 << 76) | (0b10 << 62);
    crate::id::urn(bits)
}

pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}

/// The path of the collection of all subscriptions.
pub(super) fn root() -> String {
    format!("{HUB_PATH}/subscriptions")
}

/// As paths and documents of version 1.0 name it.
pub(super) fn type_name(match_type: MatchType) -> &'static str {
    match match_type {
        MatchType::Selector | MatchType::Exact => "exact",
        MatchType::UrlPattern => "urlpattern",
    }
}

impl Subscription<'_> {
    /// Its id, which is the path of its document as well.
    pub(super) fn path(&self) -> String {
        let matched = encoded(self.matcher.pattern.text());
        let subscriber = encoded(&self.subscriber.id);
        let root = root();
        match self.matcher.match_type {
            MatchType::Selector => format!("{root}/{matched}/{subscriber}"),
            other => format!("{root}/{}/{matched}/{subscriber}", type_name(other)),
        }
    }

    /// In the form of its own version.
    pub(super) fn document(&self, with_context: bool) -> Value {
        if !self.is_of_zero() {
            return self.document_of_one();
        }
        let mut document = self.document_of_zero();
        if with_context {
            document.insert("@context".to_owned(), json!(CONTEXT));
        }
        Value::Object(document)
    }

    /// As version 0.x has it, whatever the matcher is.
    pub(super) fn document_of_zero(&self) -> Map<String, Value> {
        let mut document = Map::new();
        document.insert("id".to_owned(), json!(self.path()));
        document.insert("type".to_owned(), json!("Subscription"));
        document.insert("topic".to_owned(), json!(self.matcher.pattern.text()));
        self.add_common(&mut document);
        document
    }

    /// As version 1.0 has it, whatever the matcher is.
    pub(super) fn document_of_one(&self) -> Value {
        let mut document = Map::new();
        document.insert("id".to_owned(), json!(self.path()));
        document.insert("type".to_owned(), json!("subscription"));
        document.insert("match".to_owned(), json!(self.matcher.pattern.text()));
        let match_type = type_name(self.matcher.match_type);
        document.insert("match_type".to_owned(), json!(match_type));
        self.add_common(&mut document);
        Value::Object(document)
    }

    fn add_common(&self, document: &mut Map<String, Value>) {
        document.insert("subscriber".to_owned(), json!(self.subscriber.id));
        document.insert("active".to_owned(), json!(self.active));
        if let Some(payload) = self.payload() {
            document.insert("payload".to_owned(), payload.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_random_id_is_a_uuid_of_version_4() {
        for _ in 0..100 {
            let id = random_id();
            assert!(id.starts_with("urn:uuid:") && id.len() == 45, "{id}");
            assert_eq!(&id[23..24], "4", "{id}");
            assert!(["8", "9", "a", "b"].contains(&&id[28..29]), "{id}");
        }
        assert_ne!(random_id(), random_id());
    }

    #[test]
    fn everything_but_unreserved_characters_is_encoded_in_a_path() {
        assert_eq!(
            encoded("https://a.b/c d~é"),
            "https%3A%2F%2Fa.b%2Fc%20d~%C3%A9"
        );
    }
}
