//! What notices, and blocks of a state, are on the wire.

use std::{
    fmt::Write as _,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use serde::Serialize;

use super::{
    lines::{json, write_data, write_field},
    notice::Notice,
    position::Position,
};
use crate::event::EventName;

/// A heartbeat. Without a blank line: after one, clients exist that fire an empty message.
pub const PING: &[u8] = b": ping\n";

/// A block of an event stream that is no event of history.
#[derive(Debug)]
pub struct Frame;

impl Frame {
    /// What most take beside their data.
    pub(crate) const OVERHEAD_BYTES: usize = 64;

    /// What the stream says about itself, as blocks of an event stream.
    #[must_use]
    pub fn notice(notice: &Notice) -> Bytes {
        match notice {
            Notice::Retry(after) => retry(*after),
            Notice::Connected(at) => block("connected", Some(*at), &id_data(Some(*at))),
            // Carries the position before the oldest event that is left, so that a cut right behind it
            // neither repeats the gap nor loses what follows.
            Notice::Gap(gap) => {
                let data = Self::gap_data(&gap.requested, gap.oldest);
                block("gap", gap.position, &data)
            }
            Notice::Position(at) => position(*at),
            Notice::Ping => Bytes::from_static(PING),
            Notice::Heartbeat(now) => heartbeat(*now),
            Notice::Expiring { after } => expiring(*after),
            // Many clients ignore a `retry:` that is not part of a block with data, and some fire an empty
            // message for a block that has none.
            Notice::Reconnect {
                after,
                position: at,
            } => [retry(*after), position(*at)].concat().into(),
        }
    }

    /// What a gap says, as JSON.
    #[must_use]
    pub fn gap_data(requested: &str, oldest: Option<Position>) -> String {
        #[derive(Serialize)]
        struct Gap<'a> {
            requested: &'a str,
            oldest: Option<String>,
        }
        json(&Gap {
            requested,
            oldest: oldest.map(|id| id.to_string()),
        })
    }

    /// An event without an id, as the event stream has it: a client that gets it resumes where it was before.
    #[must_use]
    pub fn block(name: Option<&EventName>, data: &str) -> Bytes {
        let mut out = Vec::with_capacity(Self::OVERHEAD_BYTES + data.len());
        if let Some(name) = name {
            write_field(&mut out, "event", name.as_str());
        }
        write_data(&mut out, data.as_bytes());
        out.push(b'\n');
        out.into()
    }

    /// A gap without an id, in front of a state.
    #[must_use]
    pub fn lost(requested: &str, oldest: Option<Position>) -> Bytes {
        block("gap", None, &Self::gap_data(requested, oldest))
    }
}

/// Its blank line is that of the block behind it, for the same reason as with [`PING`].
fn retry(after: Duration) -> Bytes {
    Bytes::from(format!("retry: {}\n", after.as_millis()))
}

/// Without an id, so that it may stand between any two blocks.
fn heartbeat(now: SystemTime) -> Bytes {
    let time = humantime::format_rfc3339_millis(now);
    block("heartbeat", None, &format!(r#"{{"time":"{time}"}}"#))
}

/// In whole seconds, and without an id, for the same reason.
fn expiring(after: Duration) -> Bytes {
    block(
        "expiring",
        None,
        &format!(r#"{{"in":{}}}"#, after.as_secs()),
    )
}

fn position(at: Option<Position>) -> Bytes {
    block("position", at, &id_data(at))
}

/// JSON, like the data of all events of ours: many clients parse whatever comes.
fn id_data(at: Option<Position>) -> String {
    at.map_or_else(
        || r#"{"id":null}"#.to_owned(),
        |at| format!(r#"{{"id":"{at}"}}"#),
    )
}

fn block(name: &str, id: Option<Position>, data: &str) -> Bytes {
    let mut out = String::with_capacity(Frame::OVERHEAD_BYTES + data.len());
    let _ = writeln!(out, "event: {name}\ndata: {data}");
    if let Some(id) = id {
        let _ = writeln!(out, "id: {id}");
    }
    out.push('\n');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::EventId, sse::Gap};

    #[test]
    fn the_data_of_connected_and_position_is_json() {
        let at = Position::Id(EventId::new(4, 0));
        let data = "data: {\"id\":\"4-0\"}\nid: 4-0\n\n";
        assert_eq!(
            Frame::notice(&Notice::Connected(at)),
            format!("event: connected\n{data}")
        );
        assert_eq!(
            Frame::notice(&Notice::Position(Some(at))),
            format!("event: position\n{data}")
        );
    }

    #[test]
    fn the_last_retry_of_a_stream_is_part_of_a_block_with_data() {
        let reconnect = |position| {
            let after = Duration::from_millis(700);
            Frame::notice(&Notice::Reconnect { after, position })
        };
        assert_eq!(
            reconnect(Some(EventId::new(4, 0).into())),
            "retry: 700\nevent: position\ndata: {\"id\":\"4-0\"}\nid: 4-0\n\n"
        );
        assert_eq!(
            reconnect(None),
            "retry: 700\nevent: position\ndata: {\"id\":null}\n\n"
        );
    }

    #[test]
    fn an_expiring_stream_says_so_in_whole_seconds_and_without_an_id() {
        let after = Duration::from_millis(30_400);
        assert_eq!(
            Frame::notice(&Notice::Expiring { after }),
            "event: expiring\ndata: {\"in\":30}\n\n"
        );
    }

    #[test]
    fn a_gap_carries_the_position_that_it_goes_on_from() {
        let gap = |position| {
            Frame::notice(&Notice::Gap(Box::new(Gap {
                requested: "\"x\n".to_owned(),
                position,
                oldest: None,
            })))
        };
        let without = "event: gap\ndata: {\"requested\":\"\\\"x\\n\",\"oldest\":null}\n";
        assert_eq!(
            gap(Some(EventId::new(4, 0).into())),
            format!("{without}id: 4-0\n\n")
        );
        assert_eq!(gap(None), format!("{without}\n"));
    }
}
