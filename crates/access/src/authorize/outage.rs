//! When the application fails, and when it has recovered: each is logged once, not for every request.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Least time between two warnings, for an application that fails for some sessions only.
const MIN_INTERVAL: Duration = Duration::from_secs(60);

/// Whether the application fails, as far as it was logged.
#[derive(Debug, Default)]
pub(super) struct Outage(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_reported: bool,
    reported_at: Option<Instant>,
}

impl Outage {
    /// A request failed. Whether that is to be logged.
    pub(super) fn failed(&self, now: Instant) -> bool {
        let mut state = self.0.lock();
        let last = state.reported_at;
        let is_recent = last.is_some_and(|at| now.saturating_duration_since(at) < MIN_INTERVAL);
        if state.is_reported || is_recent {
            return false;
        }
        *state = State {
            is_reported: true,
            reported_at: Some(now),
        };
        true
    }

    /// A request succeeded. Whether that is to be logged.
    pub(super) fn succeeded(&self) -> bool {
        std::mem::take(&mut self.0.lock().is_reported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_and_its_end_are_each_logged_once() {
        let outage = Outage::default();
        let start = Instant::now();
        assert!(!outage.succeeded());
        let failed: Vec<_> = (0..200)
            .map(|secs| outage.failed(start + Duration::from_secs(secs)))
            .collect();
        assert_eq!(failed.iter().filter(|is_logged| **is_logged).count(), 1);
        assert_eq!([outage.succeeded(), outage.succeeded()], [true, false]);
        assert!(outage.failed(start + Duration::from_secs(200)));
    }

    #[test]
    fn an_application_that_fails_now_and_then_is_logged_once_a_minute() {
        let outage = Outage::default();
        let start = Instant::now();
        let logged = (0..180).filter(|secs| {
            let is_logged = outage.failed(start + Duration::from_secs(*secs));
            assert_eq!(outage.succeeded(), is_logged);
            is_logged
        });
        assert_eq!(logged.collect::<Vec<_>>(), [0, 60, 120]);
    }
}
