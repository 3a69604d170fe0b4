//! What a stream of signals begins with, and is sent again after a gap: each document whole, as of one
//! position.

mod blocks;
mod progress;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use parking_lot::Mutex;

use self::progress::Progress;
use super::{ClientState, SignalFormat, SignalName, Signals, single_flight::SingleFlight};
use sse_broadcaster::{
    broadcaster::{Broadcaster, Snapshot, Snapshots},
    event::Selector,
    history::Unavailable,
};

/// The source of the documents of one stream.
pub(super) struct SignalSnapshots {
    single_flight: Arc<SingleFlight>,
    broadcaster: Broadcaster,
    names: Arc<[SignalName]>,
    format: SignalFormat,
    progress: Arc<Mutex<Progress>>,
}

impl SignalSnapshots {
    pub(super) fn new(
        signals: &Signals,
        names: Arc<[SignalName]>,
        format: SignalFormat,
        client: ClientState,
    ) -> Self {
        Self {
            single_flight: Arc::clone(&signals.single_flight),
            broadcaster: signals.broadcaster.clone(),
            names,
            format,
            progress: Arc::new(Mutex::new(Progress::new(client))),
        }
    }
}

impl Snapshots for SignalSnapshots {
    fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        let request = self.progress.lock().next(&self.names, self.format);
        let reading = self.single_flight.read(&self.broadcaster, &request);
        let (total, format) = (self.names.len(), self.format);
        let (progress, broadcaster) = (Arc::clone(&self.progress), self.broadcaster.clone());
        async move {
            let state = reading.await?;
            let oldest = || {
                let oldest = broadcaster.bounds().oldest?;
                Some(broadcaster.shown_position(oldest, &Selector::all()))
            };
            let mut progress = progress.lock();
            Ok(progress.send(&state, (&request, total), format, oldest))
        }
        .boxed()
    }

    fn take_behind_gap(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        *self.progress.lock() = Progress::after_gap();
        self.take()
    }
}
