//! JWK sets by URL: fetched at the start, when a token names a key that is not known, and again from time to time,
//! so that keys that were withdrawn end. URLs come only from the settings, never from a token.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use parking_lot::{Mutex, RwLock};

use crate::{
    flight::Flights,
    keys::{KeyError, Keys, MAX_KEY_TEXT_BYTES},
    transport::{self, HttpUrl, Request, Transport, TransportError},
};

/// Least time between two requests for one set, whatever tokens come. Those of an operator are not bound by it.
pub const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(10);
/// A set older than this is fetched again, the next time that a token is verified with it.
pub const MAX_KEY_SET_AGE: Duration = Duration::from_secs(600);
/// Most time for one request.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// Most sets that one [`KeySets`] knows.
pub const MAX_KEY_SETS: usize = 100;

/// The key sets that were ever asked for, by URL: two issuers with one URL share what was fetched, and settings that
/// are read again find it.
#[derive(Debug, Clone)]
pub struct KeySets {
    transport: Arc<dyn Transport>,
    sets: Arc<Mutex<Vec<KeySetUrl>>>,
}

/// One key set by URL. Cloning copies a pointer.
#[derive(Clone)]
pub struct KeySetUrl(Arc<Slot>);

struct Slot {
    url: HttpUrl,
    transport: Arc<dyn Transport>,
    keys: RwLock<Keys>,
    /// Counts how often the keys were replaced; raised after each time.
    version: AtomicU64,
    times: Mutex<Times>,
    flights: Arc<Flights<(), Result<(), FetchError>>>,
}

#[derive(Default)]
struct Times {
    /// When it may be asked for again.
    next_at: Option<Instant>,
    /// When what was fetched is old.
    old_at: Option<Instant>,
}

/// Why a key set was not fetched. The keys that were there before stay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There was no response.
    #[error("the key set at {url} cannot be fetched: {why}")]
    Unreachable {
        /// Where from.
        url: HttpUrl,
        /// What went wrong.
        why: TransportError,
    },
    /// The response is no 200. Redirects are not followed.
    #[error("the key set at {url} cannot be fetched: status {status} instead of 200")]
    Status {
        /// Where from.
        url: HttpUrl,
        /// Which it is.
        status: u16,
    },
    /// What was fetched is no key set.
    #[error("what is at {url} cannot be used: {why}")]
    Keys {
        /// Where from.
        url: HttpUrl,
        /// What is wrong with it.
        why: KeyError,
    },
    /// The last request was less than [`MIN_FETCH_INTERVAL`] ago.
    #[error("the key set at {url} was asked for a moment ago")]
    TooSoon {
        /// Where from.
        url: HttpUrl,
    },
}

impl KeySets {
    /// None yet; they are fetched with `transport`.
    #[must_use]
    pub fn new(transport: Arc<dyn Transport>) -> Self {
        Self {
            transport,
            sets: Arc::default(),
        }
    }

    /// The set at `url`, without keys until it is [fetched](KeySetUrl::fetch). If more than [`MAX_KEY_SETS`]
    /// are known, the oldest one is forgotten here.
    #[must_use]
    pub fn at(&self, url: &HttpUrl) -> KeySetUrl {
        let mut sets = self.sets.lock();
        if let Some(known) = sets.iter().find(|set| set.0.url == *url) {
            return known.clone();
        }
        let set = KeySetUrl(Arc::new(Slot {
            url: url.clone(),
            transport: self.transport.clone(),
            keys: RwLock::new(Keys::none()),
            version: AtomicU64::new(0),
            times: Mutex::default(),
            flights: Flights::new(),
        }));
        if sets.len() == MAX_KEY_SETS {
            sets.remove(0);
        }
        sets.push(set.clone());
        set
    }
}

impl KeySetUrl {
    /// The keys that were fetched last.
    #[must_use]
    pub fn current(&self) -> Keys {
        self.0.keys.read().clone()
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self) -> &HttpUrl {
        &self.0.url
    }

    pub(crate) fn version(&self) -> u64 {
        self.0.version.load(Ordering::Acquire)
    }

    /// Fetches the set, or waits for a fetch that is running; on a Tokio runtime.
    ///
    /// # Errors
    /// The keys that were there before stay.
    pub async fn fetch(&self) -> Result<(), FetchError> {
        self.join(false).await
    }

    /// The same however short ago the last request was: for an operator, whose request no token can cause.
    ///
    /// # Errors
    /// As [`fetch`](Self::fetch), but never [`FetchError::TooSoon`].
    pub async fn fetch_now(&self) -> Result<(), FetchError> {
        self.join(true).await
    }

    async fn join(&self, is_requested: bool) -> Result<(), FetchError> {
        let slot = self.0.clone();
        let start = || {
            let mut times = slot.times.lock();
            let now = Instant::now();
            if !is_requested && times.next_at.is_some_and(|at| now < at) {
                return None;
            }
            times.next_at = Some(now + MIN_FETCH_INTERVAL);
            let slot = slot.clone();
            Some(Box::pin(async move { slot.fetch().await }) as _)
        };
        match self.0.flights.join(&(), start) {
            Some(flight) => flight.await,
            None => Err(FetchError::TooSoon {
                url: self.0.url.clone(),
            }),
        }
    }

    /// Whether the keys that were fetched are old, and may be asked for again.
    pub(crate) fn is_old(&self) -> bool {
        let times = self.0.times.lock();
        let is_over = |at: Option<Instant>| at.is_some_and(|at| Instant::now() >= at);
        is_over(times.old_at) && is_over(times.next_at)
    }

    /// As if all requests had been long ago.
    #[cfg(test)]
    pub(crate) fn age(&self) {
        let mut times = self.0.times.lock();
        let now = Instant::now();
        times.next_at = times.next_at.map(|_| now);
        times.old_at = times.old_at.map(|_| now);
    }
}

impl Slot {
    async fn fetch(&self) -> Result<(), FetchError> {
        let url = || self.url.clone();
        let request = Request {
            url: url(),
            headers: vec![("Accept".to_owned(), "application/json".to_owned())],
            timeout: FETCH_TIMEOUT,
            max_bytes: MAX_KEY_TEXT_BYTES,
            body: None,
        };
        let response = transport::send(self.transport.clone(), request).await;
        let response = response.map_err(|why| FetchError::Unreachable { url: url(), why })?;
        if response.status != 200 {
            let status = response.status;
            return Err(FetchError::Status { url: url(), status });
        }
        let not_keys = |why| FetchError::Keys { url: url(), why };
        let text = String::from_utf8(response.body)
            .map_err(|_| not_keys(KeyError::NotAJwkSet("it is not UTF-8".to_owned())))?;
        let keys = Keys::parse_public_set(&text).map_err(not_keys)?;
        let count = keys.len();
        // First the keys, then the version: a reader of the version, then of the keys, never takes old keys for new ones.
        *self.keys.write() = keys;
        self.version.fetch_add(1, Ordering::AcqRel);
        self.times.lock().old_at = Some(Instant::now() + MAX_KEY_SET_AGE);
        log::info!("fetched {count} token keys from {}", self.url);
        Ok(())
    }
}

impl fmt::Debug for KeySetUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySetUrl({})", self.0.url)
    }
}
