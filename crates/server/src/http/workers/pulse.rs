//! Whether the workers still do what comes in.

use std::time::Duration;

use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// Asks every worker whether it responds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pulses(Vec<mpsc::Sender<oneshot::Sender<()>>>);

/// Where a worker is asked. It never has more than one request to respond to.
pub(super) type Requests = mpsc::Receiver<oneshot::Sender<()>>;

impl Pulses {
    /// Adds a worker.
    pub(super) fn add(&mut self) -> Requests {
        let (pulse, requests) = mpsc::channel(1);
        self.0.push(pulse);
        requests
    }

    /// The numbers of the workers that do not respond within this time.
    pub(crate) async fn silent(&self, within: Duration) -> Vec<usize> {
        let deadline = Instant::now() + within;
        let ask = |worker: &mpsc::Sender<_>| {
            let (response, responded) = oneshot::channel();
            // It is full if the worker has not responded to the last one either.
            worker.try_send(response).is_ok().then_some(responded)
        };
        let asked: Vec<_> = self.0.iter().map(ask).collect();
        let mut silent = Vec::new();
        for (worker, responded) in asked.into_iter().enumerate() {
            let responds = match responded {
                Some(responded) => matches!(timeout_at(deadline, responded).await, Ok(Ok(()))),
                None => false,
            };
            if !responds {
                silent.push(worker);
            }
        }
        silent
    }
}

/// Responds as a worker, by a task among those that serve connections.
pub(super) async fn respond(mut requests: Requests) {
    while let Some(response) = requests.recv().await {
        // Nobody waits any more if this took too long.
        let _ = response.send(());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_worker_that_does_not_run_its_tasks_is_silent_until_it_does() {
        let mut pulses = Pulses::default();
        tokio::spawn(respond(pulses.add()));
        let blocked = pulses.add();
        let within = Duration::from_secs(1);
        assert_eq!(pulses.silent(within).await, [1]);
        assert_eq!(pulses.silent(within).await, [1], "the first request waits");
        tokio::spawn(respond(blocked));
        tokio::task::yield_now().await;
        assert!(pulses.silent(within).await.is_empty());
    }
}
