//! What is reported to systemd while the server serves: how many subscribers there are, and that every worker responds.

use std::{env, process, time::Duration};

use sse_broadcaster::broadcaster::Broadcaster;
use tokio::time::{MissedTickBehavior, interval};

use super::Notifier;
use crate::http::workers::Pulses;

/// How often the number of subscribers is reported, if it has changed.
const STATUS_INTERVAL: Duration = Duration::from_secs(10);

/// Tasks that end when this is dropped.
#[derive(Debug)]
pub(crate) struct Supervision(Vec<tokio::task::JoinHandle<()>>);

impl Supervision {
    /// Starts the tasks that systemd has use for.
    pub(crate) fn start(notifier: &Notifier, broadcaster: &Broadcaster, pulses: Pulses) -> Self {
        if !notifier.is_enabled() {
            return Self(Vec::new());
        }
        let mut tasks = vec![actix_web::rt::spawn(report_subscribers(
            notifier.clone(),
            broadcaster.clone(),
        ))];
        if let Some(within) = watchdog() {
            tasks.push(actix_web::rt::spawn(watch(
                notifier.clone(),
                pulses,
                within,
            )));
        }
        Self(tasks)
    }
}

impl Drop for Supervision {
    fn drop(&mut self) {
        for task in &self.0 {
            task.abort();
        }
    }
}

async fn report_subscribers(notifier: Notifier, broadcaster: Broadcaster) {
    let mut ticks = interval(STATUS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = None;
    loop {
        ticks.tick().await;
        let subscribers = broadcaster.stats().subscribers.get();
        if reported.replace(subscribers) != Some(subscribers) {
            notifier.serving(subscribers);
        }
    }
}

/// Reports at half of the time that every worker responds. A worker has a quarter for it, so that reports are less
/// than the whole time apart as long as all do.
async fn watch(notifier: Notifier, pulses: Pulses, within: Duration) {
    let mut ticks = interval(within / 2);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let silent = pulses.silent(within / 4).await;
        if silent.is_empty() {
            notifier.works();
        } else {
            log::error!(
                "of the workers, {silent:?} have not responded within {:?}; systemd restarts the server if that lasts \
                 for {within:?}",
                within / 4
            );
        }
    }
}

/// The longest time between two reports, if this process is to send them.
fn watchdog() -> Option<Duration> {
    let microseconds = env::var("WATCHDOG_USEC").ok()?;
    let pid = env::var("WATCHDOG_PID").ok();
    if pid.is_some_and(|pid| pid != process::id().to_string()) {
        return None;
    }
    match microseconds.parse() {
        Ok(0) => None,
        Ok(microseconds) => Some(Duration::from_micros(microseconds)),
        Err(_) => {
            log::warn!(
                "WATCHDOG_USEC is {microseconds:?}: it is a number of microseconds; there is no watchdog"
            );
            None
        }
    }
}
