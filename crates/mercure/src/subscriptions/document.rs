//! Subscriptions as JSON, in the form of the version of their matcher.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};
use sse_broadcaster::{Event, Topic, event::Invalid};
use sse_broadcaster_presence::HubSubscription;

use crate::{matchers::MatchType, paths::HUB_PATH};

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

/// Names a matcher in the list: its kind, and its text.
pub(super) fn listed_matcher(match_type: MatchType, text: &str) -> String {
    format!("{} {text}", listed_type(match_type))
}

fn listed_type(match_type: MatchType) -> &'static str {
    match match_type {
        MatchType::Selector => "topic",
        other => type_name(other),
    }
}

/// Whether the event of this subscription can have its id as its topic.
pub(super) fn can_be_announced(match_type: MatchType, text: &str, subscriber: &str) -> bool {
    Topic::uri(&path(match_type, text, subscriber)).is_ok()
}

fn path(match_type: MatchType, text: &str, subscriber: &str) -> String {
    let (root, matched, subscriber) = (root(), encoded(text), encoded(subscriber));
    match match_type {
        MatchType::Selector => format!("{root}/{matched}/{subscriber}"),
        other => format!("{root}/{}/{matched}/{subscriber}", type_name(other)),
    }
}

/// One matcher of one connection.
#[derive(Debug)]
pub(super) struct Subscription<'a> {
    subscriber: &'a str,
    match_type: MatchType,
    text: &'a str,
    payload: Option<Value>,
    is_active: bool,
}

impl<'a> Subscription<'a> {
    /// As the list has it; `None` for what is not of this version.
    pub(super) fn read(listed: &'a HubSubscription, is_active: bool) -> Option<Self> {
        let (kind, text) = listed.matcher.split_once(' ')?;
        let mut kinds = [MatchType::Selector, MatchType::Exact, MatchType::UrlPattern].into_iter();
        let payload = listed.payload.as_deref();
        Some(Self {
            subscriber: &listed.subscriber,
            match_type: kinds.find(|match_type| listed_type(*match_type) == kind)?,
            text,
            payload: payload.and_then(|payload| serde_json::from_str(payload).ok()),
            is_active,
        })
    }

    fn is_of_zero(&self) -> bool {
        self.match_type == MatchType::Selector
    }

    /// The private event that announces it, on the topic that is its id.
    pub(super) fn event(&self, key: &str) -> Result<Event, Invalid> {
        let document = self.document(true);
        let event = Event::builder(document.to_string())
            .uri_topics()
            .topic(self.path())
            .idempotency_key(key)
            .private();
        let event = if self.is_of_zero() {
            event
        } else {
            event.name("mercure")
        };
        event.build()
    }

    /// Its id, which is the path of its document as well.
    fn path(&self) -> String {
        path(self.match_type, self.text, self.subscriber)
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
        document.insert("topic".to_owned(), json!(self.text));
        self.add_common(&mut document);
        document
    }

    /// As version 1.0 has it, whatever the matcher is.
    pub(super) fn document_of_one(&self) -> Value {
        let mut document = Map::new();
        document.insert("id".to_owned(), json!(self.path()));
        document.insert("type".to_owned(), json!("subscription"));
        document.insert("match".to_owned(), json!(self.text));
        let match_type = type_name(self.match_type);
        document.insert("match_type".to_owned(), json!(match_type));
        self.add_common(&mut document);
        Value::Object(document)
    }

    fn add_common(&self, document: &mut Map<String, Value>) {
        document.insert("subscriber".to_owned(), json!(self.subscriber));
        document.insert("active".to_owned(), json!(self.is_active));
        if let Some(payload) = &self.payload {
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
