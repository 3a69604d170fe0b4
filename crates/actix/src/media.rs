//! What a client accepts (RFC 9110, section 12.5.1).

use actix_web::http::header::{self, HeaderMap};

pub(super) const EVENT_STREAM: &str = "text/event-stream";

/// The media ranges of `Accept` in lower case, without those that are refused, and how much each weighs.
pub fn accepted(headers: &HeaderMap) -> impl Iterator<Item = (String, f32)> {
    let values = headers.get_all(header::ACCEPT);
    let ranges = values.flat_map(|value| value.to_str().unwrap_or_default().split(','));
    let weighed = ranges.map(|range| {
        let (essence, parameters) = range.split_once(';').unwrap_or((range, ""));
        (essence.trim().to_ascii_lowercase(), weight(parameters))
    });
    weighed.filter(|(essence, weight)| !essence.is_empty() && *weight > 0.0)
}

pub(super) fn accepts_event_stream(headers: &HeaderMap) -> bool {
    accepted(headers).any(|(essence, _)| essence == EVENT_STREAM)
}

fn weight(parameters: &str) -> f32 {
    let mut parameters = parameters.split(';').filter_map(|one| one.split_once('='));
    let quality = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let weight = quality.and_then(|(_, value)| value.trim().parse().ok());
    weight.unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_weighed_and_refused_ones_left_out() {
        let mut headers = HeaderMap::new();
        for value in ["Text/Event-Stream, a/b;x=1; Q=0.5 ,c/d;q=0,", "e/f;q=x"] {
            headers.append(header::ACCEPT, value.parse().unwrap());
        }
        let found: Vec<_> = accepted(&headers).collect();
        let expected = [(EVENT_STREAM, 1.0), ("a/b", 0.5), ("e/f", 1.0)];
        assert_eq!(
            found,
            expected.map(|(essence, weight)| (essence.to_owned(), weight))
        );
        assert!(accepts_event_stream(&headers));
    }
}
