//! A bar on standard error, where that is a terminal.

use std::{
    io::{self, IsTerminal as _},
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::{
    figures::per_second,
    format::{count, number},
    shared::{Shared, nanos},
};

const LOOK: &str = "{prefix:>10} [{wide_bar}] {msg}";

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    /// When deliveries were last counted, and how many there were.
    before: (Instant, u64),
    rate: f64,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(LOOK);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style.progress_chars("=> "))
        });
        Self {
            bar,
            before: (Instant::now(), 0),
            rate: 0.0,
        }
    }

    pub(super) fn opening(&mut self, shared: &Shared, asked: u64) {
        let tried = shared.tried.load(Relaxed) as u64;
        let open = shared.open.load(Relaxed) as u64;
        self.show("opening", tried, asked, || {
            format!("{} of {}", count(open), count(asked))
        });
    }

    pub(super) fn warming_up(&mut self, shared: &Shared) {
        let (warm, open) = (
            shared.warm.load(Relaxed) as u64,
            shared.open.load(Relaxed) as u64,
        );
        self.show("warming up", warm, open, String::new);
    }

    pub(super) fn publishing(&mut self, shared: &Shared, duration: Duration) {
        let started = shared.started.load(Relaxed);
        let elapsed = if started == 0 {
            0
        } else {
            shared.now() - started
        };
        let delivered = shared.delivered.load(Relaxed);
        let (then, before) = self.before;
        if then.elapsed() > Duration::from_millis(500) {
            self.rate = per_second(delivered - before, then.elapsed());
            self.before = (Instant::now(), delivered);
        }
        let rate = self.rate;
        self.show("publishing", elapsed, nanos(duration), || {
            format!("{} delivered, {} a second", count(delivered), number(rate))
        });
    }

    pub(super) fn waiting(&mut self, shared: &Shared) {
        let expected = shared.possible.load(Relaxed);
        let delivered = shared.delivered.load(Relaxed);
        self.show("waiting", delivered, expected, || {
            format!("{} of {}", count(delivered), count(expected))
        });
    }

    fn show(&mut self, what: &'static str, at: u64, of: u64, message: impl FnOnce() -> String) {
        if let Some(bar) = &self.bar {
            bar.set_prefix(what);
            bar.set_length(of.max(1));
            bar.set_position(at.min(of));
            bar.set_message(message());
        }
    }

    /// Takes the bar away, for a line to be said.
    pub(super) fn aside<T>(&self, say: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(say),
            None => say(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
