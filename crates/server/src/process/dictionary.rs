//! The dictionary of compressed streams: made of recent public events, and kept in history, so that all nodes have the
//! same.
//!
//! It is a retained value. If a page asks for a dictionary, and there is none or a new one would be much better, the node
//! writes a new one, on condition that the value is still the one that it has read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use sse_broadcaster::{
    broadcaster::Broadcaster,
    encoding::{Encoder as _, Sse},
    event::{Event, EventId, Selector},
    history::{
        Batch, Bounds, Erasure, Found, From, History, Limit, Precondition, Retain, Unavailable,
    },
    internal::from_unix_ms,
};
use sse_broadcaster_compression::{Compression, Dictionary};
use sse_broadcaster_http::Authorization;
use tokio::{sync::Notify, time::timeout};

/// The key of the value, and the topic of the event that is written with it.
const DICTIONARY: &str = "$dictionary";
/// How often a node looks for a new dictionary.
const INTERVAL: Duration = Duration::from_secs(1);
/// Shortest time between two tries to make one: pages may ask often.
const PAUSE: Duration = Duration::from_millis(500);
/// A dictionary stays at least so long: browsers that have it keep it for a day.
const MIN_AGE: Duration = Duration::from_secs(24 * 60 * 60);
/// And at most so long: what it has of old events is forgotten then.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Fewer events say too little of what is published.
const MIN_SAMPLES: usize = 16;
/// The newest events that a dictionary is made of.
const SAMPLES: Limit = Limit::new(256, 1 << 20);
/// A dictionary is replaced by one with which the newest events take at most this part of the bytes, in hundredths.
const WORTH_REPLACING: usize = 75;

/// The dictionaries of streams, as the routes have them.
pub(crate) struct Dictionaries {
    pub(crate) compression: Arc<Compression>,
    /// A page has asked for one since the last try.
    is_wanted: AtomicBool,
    asked: Notify,
}

impl Dictionaries {
    pub(crate) fn new(compression: Arc<Compression>) -> Arc<Self> {
        Arc::new(Self {
            compression,
            is_wanted: AtomicBool::new(false),
            asked: Notify::new(),
        })
    }

    /// The newest, for a page that opens streams. Has one made soon if there is none.
    pub(crate) fn current(&self) -> Option<Dictionary> {
        let current = self.compression.dictionary();
        self.is_wanted.store(true, Ordering::Relaxed);
        if current.is_none() {
            self.asked.notify_one();
        }
        current
    }
}

/// Keeps the dictionaries of streams those of the history.
pub(crate) struct DictionaryKeeper {
    pub(crate) dictionaries: Arc<Dictionaries>,
    pub(crate) broadcaster: Broadcaster,
    pub(crate) history: Arc<dyn History>,
    pub(crate) authorization: Authorization,
}

/// The value of the history.
#[derive(Default)]
struct Kept {
    version: Option<EventId>,
    /// `None` as well if events were erased after it was made: it may have their text.
    dictionary: Option<Dictionary>,
}

impl Kept {
    /// What is there may stay.
    fn is_younger_than(&self, age: Duration) -> bool {
        let version = self.version.filter(|_| self.dictionary.is_some());
        version.is_some_and(|version| {
            let own = SystemTime::now().duration_since(from_unix_ms(version.ms()));
            own.is_ok_and(|own| own < age)
        })
    }

    /// There is a value, and nobody may have it.
    fn is_outdated(&self) -> bool {
        self.version.is_some() && self.dictionary.is_none()
    }
}

impl DictionaryKeeper {
    /// Never ends. While history cannot be read, dictionaries stay as they are.
    pub(crate) async fn run(self) {
        let mut read_at = None;
        let mut examined = None;
        loop {
            let bounds = self.history.bounds();
            if self.may_have_changed(read_at, &bounds)
                && let Ok(kept) = self.read().await
                && (!kept.is_outdated() || self.replace(kept).await.is_ok())
            {
                read_at = Some((bounds.epoch, bounds.head));
            }
            // Without new events there is nothing new to learn.
            if examined != Some(bounds.head)
                && self.dictionaries.is_wanted.swap(false, Ordering::Relaxed)
                && self.renew().await.is_ok()
            {
                examined = Some(bounds.head);
            }
            tokio::time::sleep(PAUSE).await;
            let _ = timeout(INTERVAL, self.dictionaries.asked.notified()).await;
        }
    }

    /// Whether a dictionary was written, or events were erased, after this position.
    fn may_have_changed(&self, read_at: Option<(u64, EventId)>, bounds: &Bounds) -> bool {
        let Some((epoch, id)) = read_at else {
            return true;
        };
        let Ok(selector) = Selector::topics(&[DICTIONARY, Erasure::TOPIC]) else {
            return false;
        };
        let chunk = (self.history.tail()).read(From::After(id), &selector, Limit::new(1, 1));
        epoch != bounds.epoch || chunk.gap || !chunk.events.is_empty()
    }

    /// Offers the dictionary that history has.
    async fn read(&self) -> Result<Kept, Unavailable> {
        let mut retained = self.history.retained(&[DICTIONARY]).await?;
        let Some((bytes, version)) = retained.values.pop().flatten() else {
            return Ok(Kept::default());
        };
        let compression = &self.dictionaries.compression;
        let mut dictionary = Dictionary::new(bytes);
        if self.was_erased_after(version).await? {
            compression.withdraw_dictionaries();
            dictionary = None;
        }
        if let Some(kept) = &dictionary
            && compression.dictionary().as_ref() != Some(kept)
        {
            compression.offer(kept.clone());
        }
        let version = Some(version);
        Ok(Kept {
            version,
            dictionary,
        })
    }

    async fn was_erased_after(&self, version: EventId) -> Result<bool, Unavailable> {
        let Ok(selector) = Selector::topics(&[Erasure::TOPIC]) else {
            return Ok(false);
        };
        let selector = selector.with_private();
        let read = (self.history).read(From::After(version), &selector, Limit::new(1, 1));
        Ok(!read.await?.events.is_empty())
    }

    /// Writes a new dictionary if there is none, a much better one after [`MIN_AGE`], and any after [`MAX_AGE`].
    async fn renew(&self) -> Result<(), Unavailable> {
        let kept = self.read().await?;
        if kept.is_younger_than(MIN_AGE) {
            return Ok(());
        }
        self.replace(kept).await
    }

    /// Writes a new one in place of this, as soon as there are enough events; if this must go, none meanwhile.
    async fn replace(&self, kept: Kept) -> Result<(), Unavailable> {
        let is_outdated = kept.is_outdated();
        let current = if kept.is_younger_than(MAX_AGE) {
            kept.dictionary
        } else {
            None
        };
        let samples = self.samples().await?;
        // Not on this thread, which serves streams.
        let making = tokio::task::spawn_blocking(move || {
            let is_enough = samples.len() >= MIN_SAMPLES;
            is_enough
                .then(|| make(&samples, current.as_ref()))
                .flatten()
        });
        let made = making.await.ok().flatten();
        if made.is_some() || is_outdated {
            self.write(made.as_ref(), kept.version).await;
        }
        Ok(())
    }

    /// The newest events that every client may read, as streams have them.
    async fn samples(&self) -> Result<Vec<Vec<u8>>, Unavailable> {
        let selector = self.authorization.visitor().restricted(Selector::all());
        let chunk = (self.history)
            .read(From::Last(SAMPLES.events), &selector, SAMPLES)
            .await?;
        let newest_first = chunk.events.iter().rev();
        let public = newest_first.filter(|found| !found.fields().is_private());
        Ok(public.map(text).collect())
    }

    async fn write(&self, dictionary: Option<&Dictionary>, version: Option<EventId>) {
        let name = dictionary.map(Dictionary::name).unwrap_or_default();
        let event = Event::builder(name).topic(DICTIONARY);
        let Ok(event) = event.build_internal() else {
            return;
        };
        let value: Option<Bytes> = dictionary.map(|made| made.bytes().clone());
        let batch = Batch::from(event)
            .retain(Retain::new(DICTIONARY, value))
            .precondition(Precondition::new(DICTIONARY, version));
        if self.broadcaster.publish(batch).await.is_ok() {
            log::debug!("the dictionary for compressed streams is now {dictionary:?}");
        }
        // On a conflict that of another node, which was faster. On other errors there is a next time.
        let _ = self.read().await;
    }
}

fn text(found: &Found) -> Vec<u8> {
    let mut text = Vec::new();
    Sse.event(found.id(), found.time_ms(), &found.fields(), &mut text);
    text
}

/// A dictionary of these texts, newest first; `None` if it is not worth replacing the one that there is.
fn make(texts: &[Vec<u8>], current: Option<&Dictionary>) -> Option<Dictionary> {
    let texts: Vec<_> = texts.iter().map(Vec::as_slice).collect();
    let new = Dictionary::of_samples(texts.iter().copied())?;
    let is_better = current.is_none_or(|current| {
        let bytes = current.compressed_bytes(&texts);
        new.compressed_bytes(&texts) <= bytes / 100 * WORTH_REPLACING
    });
    is_better.then_some(new)
}
