//! What a client accepts (RFC 9110, section 12.5.1).

use crate::{RequestHead, request::visible_text};

const EVENT_STREAM: &str = "text/event-stream";
const JSON: &str = "application/json";
/// The media type that is sent, then the others that are accepted.
const LINES: [&str; 3] = [
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
];

/// The media ranges of `Accept` in lower case, in order, each with its weight from 0 to 1. Ranges of weight 0, which
/// the client refuses, are left out.
pub fn accepted(request: &impl RequestHead) -> impl Iterator<Item = (String, f32)> {
    accepted_of(request.header_values("accept"))
}

/// The same, from the values of `Accept`.
pub fn accepted_of<'a>(
    values: impl Iterator<Item = &'a [u8]>,
) -> impl Iterator<Item = (String, f32)> {
    let ranges = values.flat_map(|value| visible_text(value).split(','));
    let weighed = ranges.map(|range| {
        let (essence, parameters) = range.split_once(';').unwrap_or((range, ""));
        (essence.trim().to_ascii_lowercase(), weight(parameters))
    });
    weighed.filter(|(essence, weight)| !essence.is_empty() && *weight > 0.0)
}

/// Whether a client accepts `text/event-stream` by name.
pub fn accepts_event_stream(request: &impl RequestHead) -> bool {
    accepted(request).any(|(essence, _)| essence == EVENT_STREAM)
}

fn weight(parameters: &str) -> f32 {
    let mut parameters = parameters.split(';').filter_map(|one| one.split_once('='));
    let quality = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let weight = quality.and_then(|(_, value)| value.trim().parse().ok());
    weight.unwrap_or(1.0)
}

/// The format of a page of history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageFormat {
    /// `application/json`: one object with all events.
    Json,
    /// `application/x-ndjson`: one event per line, after a line for the gap if there is one.
    Lines,
}

impl PageFormat {
    /// The format that `Accept` names first. `None` if the request is for a stream: it accepts
    /// `text/event-stream` as well, as Datastar does, or neither format.
    pub fn of(request: &impl RequestHead) -> Option<Self> {
        Self::of_ranges(accepted(request).map(|(essence, _)| essence))
    }

    fn of_ranges(ranges: impl Iterator<Item = String>) -> Option<Self> {
        let mut format = None;
        for essence in ranges {
            match essence.as_str() {
                EVENT_STREAM => return None,
                JSON => format = format.or(Some(Self::Json)),
                essence if LINES.contains(&essence) => format = format.or(Some(Self::Lines)),
                _ => {}
            }
        }
        format
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Lines => LINES[0],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_weighed_and_refused_ones_left_out() {
        let values = ["Text/Event-Stream, a/b;x=1; Q=0.5 ,c/d;q=0,", "e/f;q=x"];
        let found: Vec<_> = accepted_of(values.iter().map(|value| value.as_bytes())).collect();
        let expected = [(EVENT_STREAM, 1.0), ("a/b", 0.5), ("e/f", 1.0)];
        assert_eq!(
            found,
            expected.map(|(essence, weight)| (essence.to_owned(), weight))
        );
    }

    #[test]
    fn a_page_is_for_clients_that_accept_json_and_no_event_stream() {
        let (json, lines) = (Some(PageFormat::Json), Some(PageFormat::Lines));
        for (accept, format) in [
            ("application/json", json),
            ("Application/JSON; charset=utf-8", json),
            ("application/json, text/plain, */*", json),
            ("application/x-ndjson", lines),
            ("application/jsonl, application/json", lines),
            ("*/*", None),
            ("text/html,application/xhtml+xml,*/*;q=0.8", None),
            ("text/event-stream", None),
            ("text/event-stream, text/html, application/json", None),
            ("application/json, text/event-stream;q=0.1", None),
            ("application/json, text/event-stream;q=0", json),
            ("application/json;q=0.0", None),
            ("", None),
        ] {
            let ranges = accepted_of([accept.as_bytes()].into_iter());
            let found = PageFormat::of_ranges(ranges.map(|(essence, _)| essence));
            assert_eq!(found, format, "{accept:?}");
        }
    }
}
