//! The one thread that writes: everything that waits goes into one commit (`commit.rs`), so that many publishers
//! share a sync. An error of the disk closes the engine, which is reopened until it works (`recovery.rs`).

mod commit;
mod recovery;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Options,
    directory::Directory,
    engine::{Fault, Store},
    high_water_mark::{HighWater, HighWaterMark},
    log::{Group, Log},
    queue::{GroupBound, Next, Queue},
    shared::Shared,
};
use sse_broadcaster::history::{SyncPolicy, Unavailable};

/// Less room than this on the disk, and publishes are refused before the engine runs out of it.
const MIN_FREE_BYTES: u64 = 16 << 20;
/// Most that one commit takes in; also at most half of what history keeps.
const MAX_GROUP: GroupBound = GroupBound {
    events: 8_192,
    bytes: 16 << 20,
};
/// How often what has grown too old is looked for.
const REST: Duration = Duration::from_secs(1);
/// How often the size of its files is asked.
const SIZE_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    directory: Directory,
    options: Options,
    mark: HighWaterMark,
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    state: State,
    /// What the high-water mark holds.
    high_water: HighWater,
    /// Retention has more to drop than one commit does.
    is_over: bool,
    /// What is to be repaired before the engine is used again.
    damage: Option<Fault>,
    /// How many repairs in a row found nothing wrong.
    in_vain: u32,
    last_sync: Instant,
    last_size: Instant,
}

enum State {
    Open(Box<Log>),
    /// The engine failed. It is reopened once its readers have let go of it.
    Closed {
        closing: Option<Arc<Store>>,
        /// `None`: only the operator can help.
        next_try: Option<Instant>,
    },
}

impl Writer {
    pub(super) fn new(
        directory: Directory,
        options: Options,
        mark: HighWaterMark,
        log: Log,
        shared: Arc<Shared>,
        queue: Arc<Queue>,
    ) -> Self {
        let now = Instant::now();
        shared.stats.size_bytes.set(log.store.size());
        Self {
            directory,
            options,
            mark,
            shared,
            queue,
            high_water: log.high_water(true),
            state: State::Open(Box::new(log)),
            is_over: true,
            damage: None,
            in_vain: 0,
            last_sync: now,
            last_size: now,
        }
    }

    /// Writes until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let retention = self.options.retention;
        let bound = GroupBound {
            events: MAX_GROUP.events.min(retention.events / 2),
            bytes: MAX_GROUP.bytes.min(retention.bytes as u64 / 2),
        };
        loop {
            match self.queue.next(bound, self.rest()) {
                Next::Commit(group) => self.append(group),
                Next::Rest => self.append(Vec::new()),
                Next::Repair => {}
                Next::End => break,
            }
            self.upkeep();
        }
        self.sync();
        self.shared.close(Unavailable::new("it is closed"), false);
    }

    /// How long there is nothing to do but to wait for publishers.
    fn rest(&self) -> Duration {
        match self.options.sync {
            _ if self.is_over => Duration::ZERO,
            SyncPolicy::Every(interval) if self.high_water.synced < self.high_water.written => {
                interval.saturating_sub(self.last_sync.elapsed()).min(REST)
            }
            _ => REST,
        }
    }

    fn upkeep(&mut self) {
        if let SyncPolicy::Every(interval) = self.options.sync
            && self.high_water.synced < self.high_water.written
            && self.last_sync.elapsed() >= interval
        {
            self.sync();
        }
        self.repair_damage();
        self.reopen();
        self.shared.window.expire();
        if self.last_size.elapsed() >= SIZE_EVERY {
            self.last_size = Instant::now();
            if let State::Open(log) = &self.state {
                self.shared.stats.size_bytes.set(log.store.size());
            }
        }
    }

    fn sync(&mut self) {
        self.last_sync = Instant::now();
        let State::Open(log) = &self.state else {
            return;
        };
        let high_water = log.high_water(true);
        let synced = log.store.sync();
        if let Err(fault) = synced.and_then(|()| Ok(self.mark.advance(high_water)?)) {
            self.fail(&fault, &Group::default());
            return;
        }
        self.high_water = high_water;
    }

    fn check_room(&mut self, bytes: u64) -> Result<(), Unavailable> {
        if let State::Closed { .. } = self.state {
            return Err(self.shared.why());
        }
        let path = self.directory.path().display();
        if self.has_room(bytes) {
            if self.shared.has_room_again() {
                log::info!("the disk of {path} has room again");
            }
            return Ok(());
        }
        let why = Unavailable::new(format!("the disk of {path} is full"));
        if self.shared.is_full(&why) {
            log::error!("the disk of {path} is full: publishes are refused until it has room");
        }
        Err(why)
    }

    fn has_room(&self, bytes: u64) -> bool {
        let free = self.directory.free_bytes();
        free.is_none_or(|free| free >= MIN_FREE_BYTES + bytes)
    }
}
