//! The end of a server: streams are ended over some time, so that their clients do not reconnect all at once.

use std::time::Duration;

use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_mercure::Hub;

use super::signals::Shutdown;
use crate::config::Config;

/// How long the server goes on serving, and then how long streams may take to end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drain {
    delay: Duration,
    time: Duration,
}

impl Drain {
    pub(super) fn longest(&self) -> Duration {
        self.delay + self.time
    }

    pub(super) fn of(config: &Config, shutdown: Shutdown) -> Self {
        let delay = match shutdown {
            Shutdown::Delayed => config.drain_delay,
            Shutdown::Now => Duration::ZERO,
        };
        Self {
            delay,
            time: config.drain_time,
        }
    }
}

pub(super) async fn end(drain: Drain, broadcaster: &Broadcaster, hub: Option<&Hub>) {
    if !drain.delay.is_zero() {
        log::info!("no longer ready; draining in {:?}", drain.delay);
        tokio::time::sleep(drain.delay).await;
    }
    if let Some(hub) = hub {
        hub.end_subscriptions().await;
    }
    let streams = broadcaster.stats().subscribers.get();
    log::info!(
        "draining {streams} stream{}",
        if streams == 1 { "" } else { "s" }
    );
    broadcaster.drain(drain.time).await;
}
