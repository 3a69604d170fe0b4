//! All feeds there are: the numbers, everybody's activity, and a list for each filter that somebody
//! looks through.

use std::{collections::HashMap, fmt};

use parking_lot::Mutex;
use sse_broadcaster::{Broadcaster, event::Invalid};

use super::{
    activity::ActivityView,
    database::Database,
    feed::{Feed, WeakFeed},
    filter::Filter,
    numbers::NumbersView,
};

/// Most filters that are looked through at once: each costs a query per change.
pub const MAX_FILTERS: usize = 256;

pub struct Feeds {
    pub numbers: Feed<NumbersView>,
    everybody: Feed<ActivityView>,
    filtered: Mutex<Filtered>,
    database: Database,
    broadcaster: Broadcaster,
}

/// By filter, as long as somebody looks.
#[derive(Default)]
struct Filtered {
    feeds: HashMap<Filter, WeakFeed<ActivityView>>,
    /// How many there were so far, for topics that no two of them share.
    made: u64,
}

/// Why there is no list of these users now.
#[derive(Debug)]
pub enum NoFeed {
    TooManyFilters,
    Invalid(Invalid),
}

impl fmt::Display for NoFeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyFilters => write!(
                f,
                "{MAX_FILTERS} different lists are being looked at, and no more can be; try again \
                 later, or look at everybody's"
            ),
            Self::Invalid(invalid) => invalid.fmt(f),
        }
    }
}

impl std::error::Error for NoFeed {}

impl From<Invalid> for NoFeed {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl Feeds {
    /// # Errors
    /// A topic cannot be one.
    pub fn new(database: &Database, broadcaster: &Broadcaster) -> Result<Self, Invalid> {
        let everybody = ActivityView(Filter::default());
        Ok(Self {
            numbers: Feed::new(NumbersView, "stats".into(), database, broadcaster)?,
            everybody: Feed::new(everybody, "activity".into(), database, broadcaster)?,
            filtered: Mutex::default(),
            database: database.clone(),
            broadcaster: broadcaster.clone(),
        })
    }

    /// The one feed of this filter, which all who look through it share.
    ///
    /// # Errors
    /// See [`NoFeed`].
    pub fn activity(&self, filter: &Filter) -> Result<Feed<ActivityView>, NoFeed> {
        if filter.is_everybody() {
            return Ok(self.everybody.clone());
        }
        let Filtered { feeds, made } = &mut *self.filtered.lock();
        if let Some(feed) = feeds.get(filter).and_then(WeakFeed::upgrade) {
            return Ok(feed);
        }
        if feeds.len() >= MAX_FILTERS {
            feeds.retain(|_, feed| feed.is_alive());
        }
        if feeds.len() >= MAX_FILTERS {
            return Err(NoFeed::TooManyFilters);
        }
        *made += 1;
        let (view, topic) = (ActivityView(filter.clone()), format!("activity/{made}"));
        let feed = Feed::new(view, topic, &self.database, &self.broadcaster)?;
        feeds.insert(filter.clone(), feed.downgrade());
        Ok(feed)
    }

    /// Every list of activity that somebody looks at.
    pub fn all_activity(&self) -> Vec<Feed<ActivityView>> {
        let mut filtered = self.filtered.lock();
        filtered.feeds.retain(|_, feed| feed.is_alive());
        let alive = filtered.feeds.values().filter_map(WeakFeed::upgrade);
        std::iter::once(self.everybody.clone())
            .chain(alive)
            .collect()
    }
}
