//! A progress bar on standard error, where that is a terminal.

use std::{
    io::{self, IsTerminal as _},
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    format::{count, number},
    ratios::per_second,
    run_state::{RunState, nanos},
};

const TEMPLATE: &str = "{prefix:>10} [{wide_bar}] {msg}";

pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    /// When deliveries were last counted, and how many there were.
    before: (Instant, u64),
    rate: f64,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let bar = io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template(TEMPLATE);
            let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(0).with_style(style.progress_chars("=> "))
        });
        Self {
            bar,
            before: (Instant::now(), 0),
            rate: 0.0,
        }
    }

    pub(crate) fn opening(&mut self, state: &RunState, total: u64) {
        let tried = state.tried.load(Relaxed) as u64;
        let open = state.open.load(Relaxed) as u64;
        self.show("opening", tried, total, || {
            format!("{} of {}", count(open), count(total))
        });
    }

    pub(crate) fn warming_up(&mut self, state: &RunState) {
        let (warm, open) = (
            state.warm.load(Relaxed) as u64,
            state.open.load(Relaxed) as u64,
        );
        self.show("warming up", warm, open, String::new);
    }

    pub(crate) fn publishing(&mut self, state: &RunState, duration: Duration) {
        let started = state.started.load(Relaxed);
        let elapsed = if started == 0 {
            0
        } else {
            state.now() - started
        };
        let delivered = state.delivered.load(Relaxed);
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

    pub(crate) fn waiting(&mut self, state: &RunState) {
        let expected = state.possible.load(Relaxed);
        let delivered = state.delivered.load(Relaxed);
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

    /// Hides the bar while a line is printed.
    pub(crate) fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
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
