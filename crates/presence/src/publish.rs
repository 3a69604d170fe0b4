//! Publishes what a store has queued, and logs while that fails.

use std::time::Duration;

use sse_broadcaster::{
    broadcaster::{Broadcaster, PublishError},
    event::Event,
    history::{Batch, Unavailable},
};

/// Most changes in one write, and most events in one publish.
pub const MAX_AT_ONCE: usize = 256;
/// How long to wait after a failure.
pub const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Publishes these events, in their order. Those that history can never take are dropped.
///
/// # Errors
/// They may have been published or not: try again, with the same idempotency keys.
pub async fn publish_announcements(
    broadcaster: &Broadcaster,
    what: &str,
    events: Vec<Event>,
) -> Result<(), Unavailable> {
    let most = (
        broadcaster.max_batch_events(),
        broadcaster.max_batch_bytes(),
    );
    for batch in batches(events, most) {
        let whole = broadcaster.publish(Batch::from(batch.clone())).await;
        if is_published(whole)?.is_ok() {
            continue;
        }
        // One of them would fail each time, and hold up what comes after it.
        for event in batch {
            let one = broadcaster.publish(Batch::from(vec![event])).await;
            if let Err(why) = is_published(one)? {
                log::warn!("{what}: an event could not be published and is dropped: {why}");
            }
        }
    }
    Ok(())
}

/// In their order, each of at most so many events and bytes, or of one event.
fn batches(events: Vec<Event>, (max_events, max_bytes): (usize, usize)) -> Vec<Vec<Event>> {
    let mut batches: Vec<Vec<Event>> = Vec::new();
    let mut bytes = 0;
    for event in events {
        let more = event.most_memory();
        match batches.last_mut() {
            Some(last) if last.len() < max_events && bytes + more <= max_bytes => {
                bytes += more;
                last.push(event);
            }
            _ => {
                bytes = more;
                batches.push(vec![event]);
            }
        }
    }
    batches
}

/// # Errors
/// One that may be over soon. The inner one is for good.
fn is_published<T>(
    result: Result<T, PublishError>,
) -> Result<Result<(), PublishError>, Unavailable> {
    match result {
        Ok(_) => Ok(Ok(())),
        Err(PublishError::Unavailable(why) | PublishError::OutcomeUnknown(why)) => Err(why),
        Err(why @ (PublishError::Overloaded | PublishError::Draining)) => {
            Err(Unavailable::new(why.to_string()))
        }
        Err(why) => Ok(Err(why)),
    }
}

/// Logs the first of several failures, and that they are over.
#[derive(Debug)]
pub struct Failures {
    what: &'static str,
    are_reported: bool,
}

impl Failures {
    /// None yet, of what has this name.
    #[must_use]
    pub const fn of(what: &'static str) -> Self {
        Self {
            what,
            are_reported: false,
        }
    }

    /// Logs what became of one more try, if that is new.
    pub fn note(&mut self, done: &Result<(), Unavailable>, broadcaster: &Broadcaster) {
        let what = self.what;
        match done {
            // The nodes that go on, or the next process, announce who is still there.
            Err(_) if broadcaster.is_draining() => {}
            Err(why) if !self.are_reported => {
                log::warn!("{what} cannot be written and is retried: {why}");
                self.are_reported = true;
            }
            Ok(()) if self.are_reported => {
                log::info!("{what} is written again");
                self.are_reported = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_broadcaster::{Memory, Options, history::Retention};

    fn event(data: &str) -> Event {
        Event::builder(data).topic("a").build().unwrap()
    }

    #[test]
    fn batches_keep_the_order_and_have_at_most_so_many_events_and_bytes_or_one_event() {
        let events: Vec<_> = (0..10).map(|number| event(&number.to_string())).collect();
        let one = events[0].most_memory();
        for (most, lengths) in [
            ((100, one * 4), &[4, 4, 2][..]),
            ((100, 1), &[1; 10]),
            ((100, one * 10), &[10]),
            ((4, one * 10), &[4, 4, 2]),
            ((0, one * 10), &[1; 10]),
        ] {
            let batches = batches(events.clone(), most);
            assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), lengths);
            assert_eq!(batches.concat(), events);
        }
        assert!(batches(Vec::new(), (1, 1)).is_empty());
    }

    #[tokio::test]
    async fn an_event_that_history_never_takes_holds_up_no_other() {
        let options = Options::default().max_event_bytes(100);
        let broadcaster = Broadcaster::start(Memory::new(Retention::default()), options).unwrap();
        let events = vec![event("first"), event(&"x".repeat(101)), event("last")];
        publish_announcements(&broadcaster, "a test", events)
            .await
            .unwrap();
        assert_eq!(broadcaster.bounds().events, 2);
    }
}
