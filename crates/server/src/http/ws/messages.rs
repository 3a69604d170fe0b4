//! Encodes the items of a stream as messages, each a line of JSON.

use std::time::SystemTime;

use actix_web::web::Bytes;
use serde::Serialize;
use sse_broadcaster::{
    encoding::{Encoder, Json, TracedJson},
    event::{EventId, Fields},
    sse::{Notice, Position, json},
};

/// An event is encoded as in the format JSON. A notice has a member `type`, which events do not have. Pings and
/// reconnection times are not messages.
#[derive(Debug)]
pub(super) struct Messages;

impl Encoder for Messages {
    fn event(&self, id: EventId, time_ms: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(Json::text(id, time_ms, fields).as_bytes());
        out.push(b'\n');
    }

    fn notice(&self, notice: &Notice) -> Bytes {
        Message::line(notice)
    }
}

/// The same with the member `traceparent` in events.
#[derive(Debug)]
pub(super) struct TracedMessages;

impl Encoder for TracedMessages {
    fn event(&self, id: EventId, time_ms: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(TracedJson::text(id, time_ms, fields).as_bytes());
        out.push(b'\n');
    }

    fn notice(&self, notice: &Notice) -> Bytes {
        Message::line(notice)
    }
}

#[derive(Serialize)]
struct Message<'a> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(flatten)]
    detail: Option<Detail<'a>>,
}

/// The members of a message beside `type` and `id`.
#[derive(Serialize)]
#[serde(untagged)]
enum Detail<'a> {
    Gap {
        requested: &'a str,
        oldest: Option<String>,
    },
    Heartbeat {
        time: String,
    },
    Expiring {
        #[serde(rename = "in")]
        secs: u64,
    },
}

impl<'a> Message<'a> {
    /// The notice as a message; empty for one that is none.
    fn line(notice: &'a Notice) -> Bytes {
        let Some(message) = Self::of(notice) else {
            return Bytes::new();
        };
        let mut line = json(&message);
        line.push('\n');
        line.into()
    }

    fn of(notice: &'a Notice) -> Option<Self> {
        match notice {
            Notice::Connected(at) => Some(Self::new("connected", Some(*at), None)),
            Notice::Position(at) => Some(Self::new("position", *at, None)),
            Notice::Gap(gap) => {
                let detail = Detail::Gap {
                    requested: &gap.requested,
                    oldest: gap.oldest.map(|id| id.to_string()),
                };
                Some(Self::new("gap", gap.position, Some(detail)))
            }
            Notice::Heartbeat(now) => {
                let time = rfc3339(*now);
                Some(Self::new(
                    "heartbeat",
                    None,
                    Some(Detail::Heartbeat { time }),
                ))
            }
            Notice::Expiring { after } => {
                let secs = after.as_secs();
                Some(Self::new("expiring", None, Some(Detail::Expiring { secs })))
            }
            _ => None,
        }
    }

    fn new(r#type: &'a str, id: Option<Position>, detail: Option<Detail<'a>>) -> Self {
        Self {
            r#type,
            id: id.map(|id| id.to_string()),
            detail,
        }
    }
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use sse_broadcaster::{
        encoding::encode,
        event::{Event, Stored},
        sse::Gap,
    };

    use super::*;

    #[test]
    fn notices_are_messages_that_cannot_be_mistaken_for_events() {
        let (at, oldest) = (EventId::new(4, 0).into(), EventId::new(5, 1).into());
        let gap = |requested: &str, oldest| {
            Notice::Gap(Box::new(Gap {
                requested: requested.to_owned(),
                position: Some(at),
                oldest,
            }))
        };
        let after = Duration::from_secs(2);
        for (notice, message) in [
            (Notice::Retry(after), ""),
            (
                gap("\"x\n", Some(oldest)),
                "{\"type\":\"gap\",\"id\":\"4-0\",\"requested\":\"\\\"x\\n\",\"oldest\":\"5-1\"}\n",
            ),
            (
                gap("", None),
                "{\"type\":\"gap\",\"id\":\"4-0\",\"requested\":\"\",\"oldest\":null}\n",
            ),
            (
                Notice::Connected(at),
                "{\"type\":\"connected\",\"id\":\"4-0\"}\n",
            ),
            (Notice::Ping, ""),
            (
                Notice::Position(Some(at)),
                "{\"type\":\"position\",\"id\":\"4-0\"}\n",
            ),
            (Notice::Position(None), "{\"type\":\"position\"}\n"),
            (
                Notice::Heartbeat(SystemTime::UNIX_EPOCH),
                "{\"type\":\"heartbeat\",\"time\":\"1970-01-01T00:00:00.000Z\"}\n",
            ),
            (
                Notice::Expiring {
                    after: Duration::from_millis(30_400),
                },
                "{\"type\":\"expiring\",\"in\":30}\n",
            ),
            (
                Notice::Reconnect {
                    after,
                    position: None,
                },
                "",
            ),
        ] {
            assert_eq!(Messages.notice(&notice), message, "{notice:?}");
        }
    }

    #[test]
    fn an_event_is_one_line_whatever_its_data() {
        for data in [
            "",
            "\n\nid: 9-9\nevent: gap\ndata: x\n\n",
            "\u{2028}: ping\r\n",
        ] {
            let event = Event::builder(data).name("update").build().unwrap();
            let stored = Arc::new(Stored::new(EventId::new(5, 1), 0, event));
            let message = encode(&stored, &Messages);
            assert_eq!(memchr::memchr(b'\n', &message), Some(message.len() - 1));
            let event: serde_json::Value = serde_json::from_slice(&message).unwrap();
            assert_eq!(event["data"], data);
        }
    }
}
