//! A feed: one topic, and the state that its streams begin with.
//!
//! What is shown is read and worded once per change, however many look at it, and each stream is sent
//! it whole when it begins. A feed lives as long as somebody has a handle of it, as each of its
//! streams does.

use std::{
    fmt,
    sync::{Arc, Weak},
};

use bytes::Bytes;
use datastar::DatastarEvent;
use futures_util::future::BoxFuture;
use rusqlite::Connection;
use sse_broadcaster::{
    Broadcaster, EventId, Selector,
    broadcaster::{EncodedStream, Snapshot, Snapshots, SubscribeError},
    encoding::Sse,
    event::Invalid,
    history::Unavailable,
};
use tokio::sync::Mutex;

use super::{
    database::{self, Database},
    wire,
};

/// What a feed shows of the database.
pub trait View: Clone + Send + Sync + 'static {
    type Data: PartialEq + Send + Sync + 'static;

    /// # Errors
    /// The query failed.
    fn read(&self, database: &Connection) -> rusqlite::Result<Self::Data>;

    /// Events that bring a page, whatever it showed before, to show this.
    ///
    /// # Errors
    /// It cannot be rendered.
    fn patches(&self, data: &Self::Data) -> Result<Vec<DatastarEvent>, askama::Error>;
}

/// A handle: clones are the same feed.
#[derive(Clone)]
pub struct Feed<V: View>(Arc<Inner<V>>);

/// Does not keep the feed alive.
pub struct WeakFeed<V: View>(Weak<Inner<V>>);

struct Inner<V: View> {
    view: V,
    topic: String,
    selector: Selector,
    database: Database,
    broadcaster: Broadcaster,
    /// `None` until somebody asks. Held while a change is published, so that under it everything
    /// that was published of this topic is in the state.
    shown: Mutex<Option<Shown<V::Data>>>,
}

struct Shown<D> {
    data: Arc<D>,
    blocks: Vec<Bytes>,
}

// Not derived, because that would want the data itself to be `Clone`.
impl<D> Clone for Shown<D> {
    fn clone(&self) -> Self {
        Self {
            data: Arc::clone(&self.data),
            blocks: self.blocks.clone(),
        }
    }
}

/// Why nothing new can be shown: the database, the wording, or the broadcaster.
#[derive(Debug)]
pub struct Error(Box<dyn std::error::Error + Send + Sync>);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

impl<V: View> Feed<V> {
    /// # Errors
    /// The topic cannot be one.
    pub fn new(
        view: V,
        topic: String,
        database: &Database,
        broadcaster: &Broadcaster,
    ) -> Result<Self, Invalid> {
        Ok(Self(Arc::new(Inner {
            view,
            selector: Selector::topics(&[&topic])?,
            topic,
            database: database.clone(),
            broadcaster: broadcaster.clone(),
            shown: Mutex::new(None),
        })))
    }

    pub fn downgrade(&self) -> WeakFeed<V> {
        WeakFeed(Arc::downgrade(&self.0))
    }

    /// Looks at the database, and publishes what is shown where that has changed.
    ///
    /// # Errors
    /// What was shown before is shown still.
    pub async fn refresh(&self) -> Result<(), Error> {
        let mut shown = self.0.shown.lock().await;
        let Some(before) = shown.as_ref() else {
            return Ok(());
        };
        let data = self.read().await?;
        if *before.data == data {
            return Ok(());
        }
        let patches = self.0.view.patches(&data)?;
        let event = |patch| wire::event(&self.0.topic, patch);
        let events = patches.iter().map(event).collect::<Result<Vec<_>, _>>()?;
        let now = Shown::new(data, &patches)?;
        self.0.broadcaster.publish(events).await?;
        *shown = Some(now);
        Ok(())
    }

    /// What is shown now.
    ///
    /// # Errors
    /// It was not read before, and cannot be.
    pub async fn data(&self) -> Result<Arc<V::Data>, Error> {
        Ok(self.current().await?.0.data)
    }

    /// A stream that begins with what is shown now.
    ///
    /// # Errors
    /// See [`SubscribeError`](sse_broadcaster::broadcaster::SubscribeError).
    pub fn subscribe(&self) -> Result<EncodedStream, SubscribeError> {
        let Inner {
            broadcaster,
            selector,
            ..
        } = &*self.0;
        let subscription =
            broadcaster.subscribe_to_state(selector.clone(), Arc::new(self.clone()))?;
        Ok(subscription.encoded(&Sse))
    }

    async fn current(&self) -> Result<(Shown<V::Data>, EventId), Error> {
        let mut kept = self.0.shown.lock().await;
        let shown = if let Some(shown) = &*kept {
            shown.clone()
        } else {
            let data = self.read().await?;
            let patches = self.0.view.patches(&data)?;
            kept.insert(Shown::new(data, &patches)?).clone()
        };
        Ok((shown, self.0.broadcaster.bounds().head))
    }

    async fn read(&self) -> Result<V::Data, database::Error> {
        let view = self.0.view.clone();
        let read = self.0.database.read(move |database| view.read(database));
        read.await
    }
}

impl<V: View> Snapshots for Feed<V> {
    fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        let feed = self.clone();
        Box::pin(async move {
            match feed.current().await {
                Ok((Shown { blocks, .. }, at)) => Ok(Snapshot::last(at, blocks)),
                Err(error) => Err(Unavailable::new(error.to_string())),
            }
        })
    }
}

impl<V: View> WeakFeed<V> {
    pub fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// The feed, unless nobody has it any more.
    pub fn upgrade(&self) -> Option<Feed<V>> {
        self.0.upgrade().map(Feed)
    }
}

impl<D> Shown<D> {
    fn new(data: D, patches: &[DatastarEvent]) -> Result<Self, Invalid> {
        let blocks = patches.iter().map(wire::block).collect::<Result<_, _>>()?;
        Ok(Self {
            data: Arc::new(data),
            blocks,
        })
    }
}
