//! The id of the last event that a client has.

use super::query;

/// The names under which clients send their last id in the query.
pub(super) const LAST_ID_NAMES: [&str; 4] = [
    "last_event_id",
    "lastEventId",
    "lastEventID",
    "Last-Event-ID",
];

/// The id of the last event that a client has, from the header `Last-Event-ID` or the query; `None` without one. The
/// header has precedence, since an `EventSource` repeats its first query at each reconnect. The text is not checked:
/// an unknown id gets a gap.
#[must_use]
pub fn last_event_id(query: &str, header_id: Option<&[u8]>) -> Option<String> {
    let header_id = header_id.filter(|id| !id.is_empty());
    if let Some(id) = header_id {
        return Some(String::from_utf8_lossy(id).into_owned());
    }
    query::lossy_pairs(query.as_bytes())
        .filter(|(name, value)| LAST_ID_NAMES.contains(&name.as_str()) && !value.is_empty())
        .last()
        .map(|(_, id)| id)
}
