//! The time of a response.

use std::{cell::RefCell, time::SystemTime};

use http::HeaderValue;

/// The value of `Date` now, which is formatted once a second; `None` by a clock of before 1970.
pub(super) fn date() -> Option<HeaderValue> {
    thread_local! {
        static DATE: RefCell<(u64, Option<HeaderValue>)> = const { RefCell::new((0, None)) };
    }
    let now = SystemTime::now();
    let since = now
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    DATE.with_borrow_mut(|(second, value)| {
        if *second != since.as_secs() {
            *second = since.as_secs();
            *value = httpdate::fmt_http_date(now).parse().ok();
        }
        value.clone()
    })
}
