//! Publishes what the outbox holds, in order, and only then takes it out. After a crash in between it
//! is published again under the same own id, of which history keeps one event: so a change is
//! announced once, whatever happens.

use std::{fmt, time::Duration};

use sse_broadcaster::{Broadcaster, Event, broadcaster::PublishError};

use crate::{
    data::{Announcement, Posts},
    views,
};

/// What streams of this page ask for.
pub const TOPIC: &str = "posts";

/// Most announcements that are published in one step.
const MAX_BATCH: u32 = 64;
/// How long to wait where publishing failed.
const PATIENCE: Duration = Duration::from_secs(1);

/// Runs until the broadcaster drains. What was not announced then is at the next start.
pub async fn run(posts: Posts, broadcaster: Broadcaster) {
    while !broadcaster.is_draining() {
        match announce(&posts, &broadcaster).await {
            Ok(0) => posts.changed().await,
            Ok(_) => {}
            Err(_) if broadcaster.is_draining() => return,
            Err(problem) => {
                log::warn!("changes wait to be announced: {problem}");
                tokio::time::sleep(PATIENCE).await;
            }
        }
    }
}

/// Answers how many were due.
async fn announce(posts: &Posts, broadcaster: &Broadcaster) -> Result<usize, Problem> {
    let due = posts.unannounced(MAX_BATCH).await?;
    let Some(last) = due.last().map(|announcement| announcement.number) else {
        return Ok(0);
    };
    let events = due.iter().map(|announcement| event(posts, announcement));
    let events: Vec<Event> = events.collect::<Result<_, Problem>>()?;
    broadcaster.publish(events).await?;
    posts.announced(last).await?;
    Ok(due.len())
}

pub(crate) fn event(posts: &Posts, announcement: &Announcement) -> Result<Event, Problem> {
    let event = Event::builder(views::change(&announcement.change)?)
        .topic(TOPIC)
        .idempotency_key(format!("{}/{}", posts.identity(), announcement.number))
        .build()?;
    Ok(event)
}

/// Why nothing was announced, as a sentence.
#[derive(Debug)]
pub(crate) struct Problem(String);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! is_a_problem {
    ($($error:ty),+) => {
        $(impl From<$error> for Problem {
            fn from(error: $error) -> Self {
                Self(error.to_string())
            }
        })+
    };
}
is_a_problem!(
    PublishError,
    crate::data::Unavailable,
    askama::Error,
    sse_broadcaster::event::Invalid
);
