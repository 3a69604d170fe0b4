//! The dictionary of compressed streams: made of recent public events, and kept in history, so that all nodes have the
//! same.
//!
//! It is a retained value. A node whose pages ask for one and that finds none, or one that has become much worse than a new one would be, writes a
//! new one on condition that it is still the one that was read.

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
    history::{Batch, Bounds, Found, From, History, Limit, Precondition, Retain, Unavailable},
    internal::from_unix_ms,
};
use sse_broadcaster_compression::{Compression, Dictionary};
use sse_broadcaster_http::Authorization;
use tokio::{sync::Notify, time::timeout};

/// The key of the value, and the topic of the event that is written with it.
const DICTIONARY: &str = "$dictionary";
/// How often a node looks for a new dictionary.
const INTERVAL: Duration = Duration::from_secs(10);
/// Shortest time between two tries to make one: pages may ask often.
const PAUSE: Duration = Duration::from_millis(500);
/// A dictionary stays at least so long: browsers that have it keep it for a day.
const MIN_AGE: Duration = Duration::from_secs(24 * 60 * 60);
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

/// A value of the history.
struct Kept {
    dictionary: Option<Dictionary>,
    version: Option<EventId>,
}

impl DictionaryKeeper {
    /// Never ends. While history cannot be read, dictionaries stay as they are.
    pub(crate) async fn run(self) {
        let mut read_at = None;
        let mut examined = None;
        loop {
            let bounds = self.history.bounds();
            if self.may_have_changed(read_at, &bounds) && self.read().await.is_ok() {
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

    /// Whether a dictionary was written after this position.
    fn may_have_changed(&self, read_at: Option<(u64, EventId)>, bounds: &Bounds) -> bool {
        let Some((epoch, id)) = read_at else {
            return true;
        };
        let Ok(selector) = Selector::topics(&[DICTIONARY]) else {
            return false;
        };
        let chunk = (self.history.tail()).read(From::After(id), &selector, Limit::new(1, 1));
        epoch != bounds.epoch || chunk.gap || !chunk.events.is_empty()
    }

    /// Offers the dictionary that history has.
    async fn read(&self) -> Result<Kept, Unavailable> {
        let mut retained = self.history.retained(&[DICTIONARY]).await?;
        let value = retained.values.pop().flatten();
        let version = value.as_ref().map(|(_, version)| *version);
        let dictionary = value.and_then(|(bytes, _)| Dictionary::new(bytes));
        if let Some(kept) = &dictionary
            && self.dictionaries.compression.dictionary().as_ref() != Some(kept)
        {
            self.dictionaries.compression.offer(kept.clone());
        }
        Ok(Kept {
            dictionary,
            version,
        })
    }

    /// Writes a new dictionary if there is none, or a much better one after [`MIN_AGE`].
    async fn renew(&self) -> Result<(), Unavailable> {
        let kept = self.read().await?;
        let is_young = kept.version.is_some_and(|version| {
            let age = SystemTime::now().duration_since(from_unix_ms(version.ms()));
            age.is_ok_and(|age| age < MIN_AGE)
        });
        if is_young {
            return Ok(());
        }
        let samples = self.samples().await?;
        if samples.len() < MIN_SAMPLES {
            return Ok(());
        }
        // Not on this thread, which serves streams.
        let made = tokio::task::spawn_blocking(move || make(&samples, kept.dictionary.as_ref()));
        if let Ok(Some(dictionary)) = made.await {
            self.write(&dictionary, kept.version).await;
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

    async fn write(&self, dictionary: &Dictionary, version: Option<EventId>) {
        let Ok(event) = Event::builder(dictionary.name())
            .topic(DICTIONARY)
            .build_internal()
        else {
            return;
        };
        let value: Bytes = dictionary.bytes().clone();
        let batch = Batch::from(event)
            .retain(Retain::new(DICTIONARY, Some(value)))
            .precondition(Precondition::new(DICTIONARY, version));
        // On a conflict another node was faster, and otherwise there is a next time.
        if self.broadcaster.publish(batch).await.is_ok() {
            log::debug!("a new dictionary for compressed streams: {dictionary:?}");
            let _ = self.read().await;
        }
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
