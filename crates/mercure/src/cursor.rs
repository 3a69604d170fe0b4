//! Where a client resumes.

use sse_broadcaster::{
    broadcaster::{Broadcaster, Start},
    event::{EventId, Selector},
    history::Unavailable,
    sse::Position,
};
use sse_broadcaster_http::RequestHead;

use crate::id;

/// Stands for all events that history has.
pub(crate) const EARLIEST: &str = "earliest";
/// The names of the cursor in a query, from the newest version to the oldest.
const NAMES: [&str; 3] = ["last_event_id", "lastEventID", "Last-Event-ID"];

/// The cursor that a client sent, maybe empty. The header has precedence: an `EventSource` repeats its first query at
/// each reconnect.
pub(crate) fn sent(request: &impl RequestHead, pairs: &[(String, String)]) -> Option<String> {
    let header = request.header("last-event-id");
    let header = header.map(|id| String::from_utf8_lossy(id).into_owned());
    let of_name = |name: &&str| {
        let mut pairs = pairs.iter();
        pairs.find(|(of, value)| of == name && !value.is_empty())
    };
    let in_query = NAMES.iter().find_map(of_name);
    let is_named = || pairs.iter().any(|(name, _)| NAMES.contains(&&name[..]));
    header
        .clone()
        .filter(|id| !id.is_empty())
        .or_else(|| in_query.map(|(_, value)| value.clone()))
        .or(header)
        .or_else(|| is_named().then(String::new))
}

/// Where a stream begins, and what its response says of that.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resumed {
    pub(crate) start: Start,
    /// The id of the event before the first that is sent, or `earliest`.
    pub(crate) reply: String,
}

/// Where a client with this cursor resumes. An id that history does not have, and that of an event that this client may
/// not read, resumes nowhere: nothing is replayed, and the response says `earliest`.
///
/// # Errors
/// History cannot be reached.
pub(crate) async fn resume(
    broadcaster: &Broadcaster,
    selector: &Selector,
    cursor: &str,
) -> Result<Resumed, Unavailable> {
    let resumed = |start, reply: &str| Resumed {
        start,
        reply: reply.to_owned(),
    };
    if cursor == EARLIEST {
        return Ok(resumed(Start::Earliest, EARLIEST));
    }
    let nowhere = || Ok(resumed(Start::Live, EARLIEST));
    if cursor.is_empty() {
        return nowhere();
    }
    let own = id::decode(cursor).map(|position| position.to_string());
    let own = own.or_else(|| cursor.parse::<Position>().ok().map(|_| cursor.to_owned()));
    if let Some(position) = own {
        let start = Start::After(position);
        // One event is read, since only a read shows whether history has the position.
        let read = broadcaster.read_history(selector.clone(), start.clone(), 1);
        if read.await?.missing().is_none() {
            return Ok(resumed(start, cursor));
        }
    }
    // A publisher may have chosen an id like ours as well. The search is slow where the window does not have it, and
    // one runs at a time: ids of this server never get here while history has their events.
    match broadcaster.find_alias(cursor, selector).await? {
        Some(position) => Ok(resumed(Start::After(position.to_string()), cursor)),
        None => nowhere(),
    }
}

/// The id under which a client of this selector knows this position.
pub(crate) fn shown(broadcaster: &Broadcaster, position: EventId, selector: &Selector) -> String {
    match broadcaster.shown_position(position, selector) {
        Position::Id(position) => broadcaster
            .alias_of(position, selector)
            .unwrap_or_else(|| id::encode(position)),
        encrypted @ Position::Encrypted(_) => encrypted.to_string(),
    }
}
