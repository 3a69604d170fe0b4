//! `?heartbeat=15s`: an event at an interval, so that a page notices a dead connection. An `EventSource` does
//! not show comments such as `: ping` to its page.

use std::time::Duration;

use sse_broadcaster::{
    event::Invalid,
    sse::{MAX_HEARTBEAT, MIN_HEARTBEAT},
};

/// Parses the value of the parameter.
pub fn read(text: &str) -> Result<Duration, Invalid> {
    humantime::parse_duration(text)
        .ok()
        .filter(|every| (MIN_HEARTBEAT..=MAX_HEARTBEAT).contains(every))
        .ok_or_else(|| {
            let shown: String = text.chars().take(32).collect();
            Invalid::new(
                "invalid_heartbeat",
                format!(
                    "heartbeat is a duration from 1s to 1h, for example heartbeat=15s; not {shown:?}"
                ),
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heartbeat_interval_is_a_duration_within_bounds() {
        for (text, seconds) in [("15s", 15), ("1s", 1), ("1h", 3600), ("1m 30s", 90)] {
            assert_eq!(read(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in [
            "15",
            "0s",
            "999ms",
            "1h 1s",
            "-1s",
            "often",
            "99999999999999999999s",
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), "invalid_heartbeat");
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}
