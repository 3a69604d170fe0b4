//! What several ask for at the same time is done once.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _, Shared};
use parking_lot::Mutex;

/// A result that any number can wait for.
pub(crate) type Flight<V> = Shared<BoxFuture<'static, V>>;

/// What is being done, by what it is for.
pub(crate) struct Flights<K, V>(Mutex<HashMap<K, Flight<V>>>);

impl<K, V> Flights<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(HashMap::new())))
    }

    /// Waits for what is being done for `key`, or starts it unless `start` gives nothing. It is done to its
    /// end, even if nobody waits any longer. Must be called on a Tokio runtime.
    pub(crate) fn join(
        self: &Arc<Self>,
        key: &K,
        start: impl FnOnce() -> Option<BoxFuture<'static, V>>,
    ) -> Option<Flight<V>> {
        let mut running = self.0.lock();
        if let Some(flight) = running.get(key) {
            return Some(flight.clone());
        }
        let work = start()?;
        let landing = Landing {
            flights: self.clone(),
            key: key.clone(),
        };
        let flight = async move {
            let _landing = landing;
            work.await
        };
        let flight = flight.boxed().shared();
        running.insert(key.clone(), flight.clone());
        drop(running);
        tokio::spawn(flight.clone());
        Some(flight)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.lock().len()
    }
}

/// Makes room for the next one, however this one ends.
struct Landing<K: Eq + Hash, V> {
    flights: Arc<Flights<K, V>>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        let landed = self.flights.0.lock().remove(&self.key);
        drop(landed);
    }
}
