//! The parameters of streams of events and of pages of history.

use std::time::Duration;

use super::{
    heartbeat,
    last_event_id::{LAST_ID_NAMES, last_event_id},
    query, since,
};
use crate::{Client, Refusal};
use sse_broadcaster::{
    Format,
    broadcaster::{Broadcaster, EncodedStream, Start, SubscribeError},
    encoding::{Encoder, TracedJson},
    event::{Invalid, Selector},
};

/// The names of the parameters of a stream and of a page of history.
pub const PARAMETERS: [&str; 12] = [
    "topic",
    "since",
    "last",
    "format",
    "until",
    "limit",
    "heartbeat",
    "traceparent",
    LAST_ID_NAMES[0],
    LAST_ID_NAMES[1],
    LAST_ID_NAMES[2],
    LAST_ID_NAMES[3],
];

/// The parameters of a stream of events: `GET /events`.
///
/// ```
/// use sse_broadcaster_http::StreamRequest;
///
/// let request = StreamRequest::read("topic=news&since=10m", Some(b"1763712000000-42"));
/// assert!(request.is_ok());
/// let refused = StreamRequest::read("since=yesterday", None).unwrap_err();
/// assert_eq!(refused.code(), "invalid_since");
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct StreamRequest {
    pub(super) selector: Selector,
    /// `None` if the request does not choose one.
    pub(super) format: Option<Format>,
    pub(super) start: Start,
    until_head: bool,
    heartbeat: Option<Duration>,
    /// Whether events have the member `traceparent`.
    pub(super) traceparent: bool,
}

impl StreamRequest {
    /// The same request for the topics of this selector, in place of those of the query.
    #[must_use]
    pub fn with_selector(self, selector: Selector) -> Self {
        Self { selector, ..self }
    }

    /// The topics of the request.
    #[must_use]
    pub fn selector(&self) -> &Selector {
        &self.selector
    }

    /// The same request for what of its topics the client may read.
    ///
    /// # Errors
    /// 401 or 403 for a topic that needs a grant which the client does not have.
    pub fn restricted_to(self, client: &Client) -> Result<Self, Refusal> {
        let selector = client.selector(self.selector)?;
        Ok(Self { selector, ..self })
    }

    /// The same request in the format JSON, the only one of a WebSocket.
    ///
    /// # Errors
    /// `invalid_format` for `format=sse`.
    pub fn into_json(self) -> Result<Self, Invalid> {
        if self.format == Some(Format::Sse) {
            return Err(Invalid::new(
                "invalid_format",
                "a WebSocket carries each event as JSON; leave format out, or use format=json",
            ));
        }
        Ok(Self {
            format: Some(Format::Json),
            ..self
        })
    }

    /// Whether each event is to have the trace that it was published in, as the member `traceparent`.
    #[must_use]
    pub fn wants_traceparent(&self) -> bool {
        self.traceparent
    }

    /// See [`Broadcaster::is_finished`].
    pub(crate) fn is_finished(&self, broadcaster: &Broadcaster) -> bool {
        broadcaster.is_finished(&self.selector, &self.start)
    }

    /// Subscribes in the format of the request, SSE by default.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn grant(self, broadcaster: &Broadcaster) -> Result<EncodedStream, SubscribeError> {
        let encoder = if self.traceparent {
            &TracedJson
        } else {
            self.format.unwrap_or_default().encoder()
        };
        self.grant_to(broadcaster, encoder)
    }

    /// Subscribes, with this encoder in place of the request's format.
    ///
    /// # Errors
    /// See [`SubscribeError`].
    pub fn grant_to(
        self,
        broadcaster: &Broadcaster,
        encoder: &'static dyn Encoder,
    ) -> Result<EncodedStream, SubscribeError> {
        let mut subscription = broadcaster.subscribe(self.selector, self.start)?;
        if self.until_head {
            subscription.announce_head();
        }
        if let Some(every) = self.heartbeat {
            subscription.send_heartbeat(every);
        }
        Ok(subscription.encoded(encoder))
    }

    /// Parses the query and the value of the header `Last-Event-ID`. Unknown parameters and empty values are
    /// ignored. An id has precedence over `since`, and that over `last`.
    ///
    /// # Errors
    /// `invalid_since`, `invalid_last`, `invalid_format`, `invalid_until`, `invalid_heartbeat`, `invalid_traceparent`,
    /// `invalid_topic` or `too_many_topics`, with what would be right.
    pub fn read(query: &str, header_id: Option<&[u8]>) -> Result<Self, Invalid> {
        let mut topics = Vec::new();
        let (mut since, mut last) = (None, None);
        let (mut format, mut until_head, mut heartbeat) = (None, false, None);
        let mut traceparent = false;
        for (name, value) in
            query::lossy_pairs(query.as_bytes()).filter(|(_, value)| !value.is_empty())
        {
            match name.as_str() {
                "topic" => topics.push(value),
                "since" => since = Some(value),
                "last" => last = Some(value),
                "format" => format = Some(read_format(&value)?),
                "heartbeat" => heartbeat = Some(heartbeat::read(&value)?),
                "traceparent" => traceparent = read_traceparent(&value)?,
                "until" => until_head = read_until(&value)?,
                _ => {}
            }
        }
        if traceparent && format == Some(Format::Sse) {
            return Err(invalid_traceparent());
        }
        let id = last_event_id(query, header_id);
        let mut start = match (id, since, last) {
            (Some(id), _, _) => Start::After(id),
            (None, Some(since), _) => since::read(&since)?,
            (None, None, Some(last)) => read_last(&last)?,
            (None, None, None) if until_head => Start::Earliest,
            (None, None, None) => Start::Live,
        };
        if until_head && start == Start::Live {
            start = Start::Last(0);
        }
        Ok(Self {
            selector: Selector::topics(&topics)?,
            format,
            start,
            until_head,
            heartbeat,
            traceparent,
        })
    }
}

fn read_format(text: &str) -> Result<Format, Invalid> {
    match text {
        "sse" => Ok(Format::Sse),
        "json" => Ok(Format::Json),
        _ => Err(Invalid::new("invalid_format", "format is json or sse")),
    }
}

fn read_traceparent(text: &str) -> Result<bool, Invalid> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(invalid_traceparent()),
    }
}

fn invalid_traceparent() -> Invalid {
    Invalid::new(
        "invalid_traceparent",
        "traceparent is true or false, and true only with format=json, where it is a member of each event",
    )
}

fn read_until(text: &str) -> Result<bool, Invalid> {
    match text {
        "head" => Ok(true),
        _ => Err(Invalid::new("invalid_until", "until is head")),
    }
}

fn read_last(text: &str) -> Result<Start, Invalid> {
    match text.parse() {
        Ok(0) => Ok(Start::Live),
        Ok(count) => Ok(Start::Last(count)),
        Err(_) => Err(Invalid::new("invalid_last", "last is a number of events")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(query: &str, header: Option<&str>) -> StreamRequest {
        StreamRequest::read(query, header.map(str::as_bytes)).unwrap()
    }

    fn after(id: &str) -> Start {
        Start::After(id.to_owned())
    }

    #[test]
    fn the_header_wins_over_the_query_and_an_id_over_since_and_last() {
        let query = "lastEventId=2-2&since=earliest&last=3";
        assert_eq!(request(query, Some("1-1")).start, after("1-1"));
        assert_eq!(request(query, Some("")).start, after("2-2"));
        assert_eq!(
            request("since=earliest&last=3", None).start,
            Start::Earliest
        );
        assert_eq!(request("last=3", None).start, Start::Last(3));
        assert_eq!(request("", None).start, Start::Live);
    }

    #[test]
    fn a_copy_begins_with_the_oldest_event_unless_the_query_has_another_start() {
        for (query, start) in [
            ("until=head", Start::Earliest),
            ("until=head&last=3", Start::Last(3)),
            ("until=head&last=0", Start::Last(0)),
        ] {
            assert_eq!(request(query, None).start, start, "{query}");
        }
    }

    #[test]
    fn every_spelling_of_the_last_id_is_one() {
        for name in LAST_ID_NAMES {
            assert_eq!(request(&format!("{name}=7-7"), None).start, after("7-7"));
        }
    }

    #[test]
    fn any_text_is_accepted_as_an_id_and_unknown_parameters_are_ignored() {
        let request = request("last_event_id=%FF%00&datastar={}&nonsense", None);
        assert_eq!(request.start, after("\u{FFFD}\0"));
        assert_eq!(request.selector, Selector::topics(&["default"]).unwrap());
    }

    #[test]
    fn a_web_socket_carries_json_and_nothing_else() {
        for query in ["", "format=json", "format="] {
            assert_eq!(
                request(query, None).into_json().unwrap().format,
                Some(Format::Json)
            );
        }
        let refused = request("format=sse", None).into_json().unwrap_err();
        assert_eq!(refused.code(), "invalid_format");
    }

    #[test]
    fn what_can_never_work_is_refused() {
        for (query, code) in [
            ("topic=a{b}", "invalid_topic"),
            ("since=yesterday", "invalid_since"),
            ("last=some", "invalid_last"),
            ("format=xml", "invalid_format"),
            ("heartbeat=5ms", "invalid_heartbeat"),
            ("traceparent=yes", "invalid_traceparent"),
            ("traceparent=true&format=sse", "invalid_traceparent"),
        ] {
            let refused = StreamRequest::read(query, None).unwrap_err();
            assert_eq!(refused.code(), code);
        }
    }
}
