//! What only one user sees: that somebody has thanked them for a post. Each is a private event on a topic of that
//! user, and reaches the streams of their windows alone.

use std::sync::Arc;

use sse_broadcaster::{
    Broadcaster, Event, Selector, Start,
    broadcaster::PublishError,
    event::{Invalid, ReadAccess},
    history::Unavailable,
};

use crate::{
    announcer,
    data::{Author, Post, Posts},
    views,
};

/// How many a page shows when it is loaded.
const NEWEST: usize = 5;
/// What `posts.js` puts into the list of notifications.
const EVENT: &str = "notified";

/// Grants a visitor the topic of their own notifications.
#[derive(Debug)]
struct OwnNotifications {
    topic: String,
}

impl ReadAccess for OwnNotifications {
    fn is_granted(&self, topic: &str) -> bool {
        topic == self.topic
    }

    fn needs_grant(&self, _topic: &str) -> bool {
        false
    }
}

fn topic_of(user: &str) -> String {
    format!("notifications/{user}")
}

/// All posts, and the notifications of this user.
pub fn selector_of(user: &str) -> Result<Selector, Invalid> {
    restricted(user, &[announcer::TOPIC, &topic_of(user)])
}

fn restricted(user: &str, topics: &[&str]) -> Result<Selector, Invalid> {
    let access = OwnNotifications {
        topic: topic_of(user),
    };
    Ok(Selector::topics(topics)?.with_access(Arc::new(access)))
}

/// The newest notifications of this user as fragments, oldest first.
pub async fn newest(broadcaster: &Broadcaster, user: &str) -> Result<Vec<String>, Unavailable> {
    let Ok(selector) = restricted(user, &[&topic_of(user)]) else {
        return Ok(Vec::new());
    };
    let mut reader = broadcaster
        .read_history(selector, Start::Last(NEWEST), NEWEST)
        .await?;
    let mut fragments = Vec::new();
    while let Some(events) = reader.next().await? {
        fragments.extend(events.iter().map(|found| found.fields().data().to_owned()));
    }
    Ok(fragments)
}

/// Tells the author of a post that this visitor is grateful for it. Each visitor is so once: a repetition has the
/// same idempotency key.
pub async fn thank(
    posts: &Posts,
    broadcaster: &Broadcaster,
    post: &Post,
    visitor: &Author,
) -> Result<(), ThankError> {
    let key = format!("{}/thanks/{}/{}", posts.identity(), post.id, visitor.id);
    let event = Event::builder(views::notification(post, visitor)?)
        .name(EVENT)
        .topic(topic_of(&post.author))
        .private()
        .idempotency_key(key)
        .build()?;
    broadcaster.publish_one(event).await?;
    Ok(())
}

/// Why nobody was thanked.
#[derive(Debug, thiserror::Error)]
pub enum ThankError {
    #[error(transparent)]
    Template(#[from] askama::Error),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Publish(#[from] PublishError),
}
