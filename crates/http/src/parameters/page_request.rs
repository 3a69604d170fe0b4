//! The parameters of a page of history, and how long a page may be.

use super::{query, stream_request::StreamRequest};
use sse_broadcaster::{
    Format,
    broadcaster::Start,
    event::{Invalid, Selector},
};

/// The parameters of a page of history: `GET /events` by a client that accepts JSON and not streams.
///
/// ```
/// use sse_broadcaster_http::PageRequest;
///
/// let page = PageRequest::read("topic=news&limit=100", None)?;
/// assert_eq!(page.limit, 100);
/// # Ok::<(), sse_broadcaster::event::Invalid>(())
/// ```
#[derive(Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PageRequest {
    /// The topics.
    pub selector: Selector,
    /// Where the page begins.
    pub start: Start,
    /// Most events of the page: 1 to 10,000, 1,000 by default.
    pub limit: usize,
    /// Whether events have the member `traceparent`.
    pub traceparent: bool,
}

impl PageRequest {
    const DEFAULT_LIMIT: usize = 1_000;
    const MAX_LIMIT: usize = 10_000;

    /// Parses the parameters of a stream and `limit`. The page begins at the earliest event unless a start is given.
    ///
    /// # Errors
    /// As [`StreamRequest::read`]; `invalid_format` for `format=sse`; `invalid_limit`.
    pub fn read(query: &str, header_id: Option<&[u8]>) -> Result<Self, Invalid> {
        let stream = StreamRequest::read(query, header_id)?;
        if stream.format == Some(Format::Sse) {
            return Err(Invalid::new(
                "invalid_format",
                "a page of history holds events as JSON: leave format out, or use format=json, or send \
                 Accept: text/event-stream for a stream",
            ));
        }
        let (mut limit, mut counts) = (Self::DEFAULT_LIMIT, false);
        for (name, value) in query::lossy_pairs(query.as_bytes()) {
            match name.as_str() {
                "limit" if !value.is_empty() => {
                    limit = read_limit(&value, Self::MAX_LIMIT, "events")?;
                }
                "last" => counts = counts || !value.is_empty(),
                _ => {}
            }
        }
        let start = match stream.start {
            Start::Live | Start::Last(0) if counts => Start::Last(0),
            Start::Live | Start::Last(0) => Start::Earliest,
            start => start,
        };
        Ok(Self {
            selector: stream.selector,
            start,
            limit,
            traceparent: stream.traceparent,
        })
    }
}

/// Parses the parameter `limit`; `what` is counted, for example `events`.
///
/// # Errors
/// `invalid_limit` for anything but a number from 1 to `max`.
pub fn read_limit(text: &str, max: usize, what: &str) -> Result<usize, Invalid> {
    let limit = text.parse().ok();
    limit
        .filter(|limit| (1..=max).contains(limit))
        .ok_or_else(|| {
            let why =
                format!("limit is a number of {what} from 1 to {max}, for instance limit=100");
            Invalid::new("invalid_limit", why)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_history_begins_at_the_earliest_event_unless_a_start_is_given() {
        let page = |query| PageRequest::read(query, None).unwrap();
        assert_eq!(page("").start, Start::Earliest);
        assert_eq!(page("until=head").start, Start::Earliest);
        assert_eq!(page("last=0").start, Start::Last(0));
        assert_eq!(page("last=3&limit=2").start, Start::Last(3));
        assert_eq!(
            page("last_event_id=4-4").start,
            Start::After("4-4".to_owned())
        );
        assert_eq!(page("").limit, 1_000);
        assert_eq!(page("limit=10000").limit, 10_000);
        for (query, code) in [
            ("limit=0", "invalid_limit"),
            ("limit=10001", "invalid_limit"),
            ("limit=all", "invalid_limit"),
            ("format=sse", "invalid_format"),
        ] {
            let refused = PageRequest::read(query, None).unwrap_err();
            assert_eq!(refused.code(), code, "{query}");
        }
    }
}
