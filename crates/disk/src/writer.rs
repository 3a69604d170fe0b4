//! The one thread that writes: everything that waits goes into one commit, so that many publishers
//! share a sync. What the disk refuses closes the engine, which is then opened anew until it works.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Options,
    append::{Group, Log},
    directory::Directory,
    engine::{Fault, Store},
    high_water_mark::{HighWater, HighWaterMark},
    opening::open_engine,
    queue::{Answer, GroupBound, Next, Pending, Queue, Waiting},
    repair::repair,
    shared::Shared,
};
use sse_broadcaster::history::{AppendError, Batch, SyncPolicy, Unavailable};

/// Less room than this on the disk, and publishes are refused before the engine runs out of it.
const MIN_FREE_BYTES: u64 = 16 << 20;
/// Most that one commit takes in; also at most half of what history keeps.
const MAX_GROUP: GroupBound = GroupBound {
    events: 8_192,
    bytes: 16 << 20,
};
/// How often what has grown too old is looked for.
const REST: Duration = Duration::from_secs(1);
/// How long readers may take to let go of an engine that failed, before its publishers are answered.
const CLOSE_WAIT: Duration = Duration::from_millis(500);
/// How often an engine that failed is opened anew.
const REOPEN_EVERY: Duration = Duration::from_secs(1);
/// How many repairs in a row may find nothing wrong, before damage is left to the operator.
const MAX_IN_VAIN: u32 = 3;
/// How often the size of its files is asked.
const SIZE_EVERY: Duration = Duration::from_secs(5);

pub(super) struct Writer {
    directory: Directory,
    options: Options,
    mark: HighWaterMark,
    shared: Arc<Shared>,
    queue: Arc<Queue>,
    state: State,
    /// What the mark says.
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
    /// The engine failed. It is opened anew once its readers have let go of it.
    Away {
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
        self.shared.close("it is closed", false);
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

    /// One commit of all these, and of what retention drops.
    fn append(&mut self, group: Vec<Pending>) {
        self.check_engine();
        let bytes = group.iter().map(|pending| pending.bytes).sum();
        if let Err(why) = self.check_room(bytes) {
            for pending in group {
                pending.answer(Err(AppendError::Unavailable(why.clone())));
            }
            return;
        }
        let (batches, waiting): (Vec<_>, Vec<_>) = group.into_iter().map(Pending::split).unzip();
        let began = Instant::now();
        let mut group = Group::default();
        let written = catch_unwind(AssertUnwindSafe(|| self.write(batches, &mut group)));
        match written.unwrap_or_else(|_| Err(Fault::Damaged("it makes no sense".into()))) {
            Ok(()) => {
                if !group.stored.is_empty() {
                    let stats = &self.shared.stats;
                    stats.commit_latency.observe(began.elapsed());
                    stats.commits.add(1);
                    stats.committed.add(group.stored.len() as u64);
                }
                self.shared.window.push(group.stored);
                let unread = answer(waiting, group.answers, group.unread);
                self.repair_damage();
                self.append_repaired(unread);
            }
            Err(fault) => {
                let outcome = self.fail(&fault, &group);
                let mut answers = group.answers.into_iter();
                for waiting in waiting {
                    waiting.answer(outcome.of(answers.next(), &self.shared.why()));
                }
            }
        }
    }

    /// Batches whose own ids could not be looked up before, which nothing was written of.
    fn append_repaired(&mut self, unread: Vec<(Batch, Waiting)>) {
        if unread.is_empty() {
            return;
        }
        if self.damage.is_some() {
            let why = self.shared.why();
            for (_, waiting) in unread {
                waiting.answer(Err(AppendError::Unavailable(why.clone())));
            }
            return;
        }
        let pending = unread.into_iter().map(Pending::again);
        self.append(pending.collect());
    }

    fn write(&mut self, batches: Vec<Batch>, group: &mut Group) -> Result<(), Fault> {
        let State::Open(log) = &mut self.state else {
            return Err(Fault::Io("it is closed".into()));
        };
        let (retention, committed) = (self.options.retention, log.standing.head);
        let before = log.standing;
        let store = Arc::clone(&log.store);
        let mut commit = store.begin();
        for (place, batch) in batches.into_iter().enumerate() {
            match log.owns(&batch, group) {
                Ok(owns) => log.place(&mut commit, group, batch, owns),
                Err(fault) => {
                    note(&mut self.damage, fault)?;
                    group.unread.push((place, batch));
                    group
                        .answers
                        .push(Err(AppendError::Unavailable(Unavailable::new(
                            "the own ids cannot be read",
                        ))));
                }
            }
        }
        // What was dropped before damage was met stays dropped.
        if let Err(fault) = log.trim(&mut commit, retention, committed) {
            note(&mut self.damage, fault)?;
        }
        if log.standing == before {
            self.is_over = false;
            return Ok(());
        }
        log.write_values(&mut commit, group);
        let always = self.options.sync == SyncPolicy::Always;
        group.attempted = true;
        commit.finish(&log.standing, always)?;
        let synced = if always {
            log.standing.head_number
        } else {
            self.high_water.synced
        };
        self.high_water = HighWater {
            synced,
            ..log.high_water(false)
        };
        self.mark.advance(self.high_water)?;
        let found = log.find_oldest().and_then(|oldest| {
            let is_over = log.is_over(retention, log.standing.head)?;
            Ok((oldest, is_over))
        });
        let (oldest, is_over) = match found {
            Ok(found) => found,
            Err(fault) => {
                note(&mut self.damage, fault)?;
                (None, false)
            }
        };
        self.is_over = is_over;
        self.shared.advance(log, oldest, group);
        Ok(())
    }

    /// Before anything is taken from publishers, an engine that has stopped is opened anew.
    fn check_engine(&mut self) {
        if let State::Open(log) = &self.state
            && let Err(fault) = log.store.check()
        {
            self.fail(&fault, &Group::default());
        }
    }

    /// Repairs what this thread, or a read, has met.
    fn repair_damage(&mut self) {
        let has_met = self.shared.take_damage() && self.in_vain < MAX_IN_VAIN;
        if has_met && self.damage.is_none() {
            self.damage = Some(Fault::Damaged("a read met what cannot be read".into()));
        }
        if let (State::Open(_), Some(fault)) = (&self.state, self.damage.clone()) {
            self.fail(&fault, &Group::default());
        }
    }

    /// Closes the engine, opens it anew at once if that can be, and says what became of the group.
    fn fail(&mut self, fault: &Fault, group: &Group) -> Outcome {
        let path = self.directory.path().display();
        if let Fault::Damaged(_) | Fault::Stopped = fault {
            log::warn!(
                "the log in {path} is damaged, or has stopped: {fault}; it is repaired now, and publishes wait"
            );
            self.damage.get_or_insert_with(|| fault.clone());
        } else {
            log::error!(
                "the log in {path} failed: {fault}; publishes are refused until it is opened anew"
            );
        }
        let closing = self.shared.close(&fault.to_string(), self.damage.is_some());
        self.state = State::Away {
            closing,
            next_try: Some(Instant::now()),
        };
        self.is_over = false;
        let deadline = Instant::now() + CLOSE_WAIT;
        while !self.has_closed() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        self.reopen();
        match (&self.state, group.stored.last()) {
            _ if !group.attempted => Outcome::NothingKept,
            (State::Open(log), Some(last)) if log.standing.head >= last.id() => Outcome::Kept,
            (State::Open(_), _) => Outcome::NothingKept,
            _ => Outcome::Unknown,
        }
    }

    /// Whether the last reader has let go.
    fn has_closed(&mut self) -> bool {
        let State::Away { closing, .. } = &mut self.state else {
            return false;
        };
        match closing.take().map(Arc::try_unwrap) {
            Some(Err(held)) => {
                *closing = Some(held);
                false
            }
            // The engine ends its threads here.
            Some(Ok(_)) | None => true,
        }
    }

    fn reopen(&mut self) {
        let State::Away {
            next_try: Some(at), ..
        } = self.state
        else {
            return;
        };
        let now = Instant::now();
        if now < at || !self.has_closed() {
            return;
        }
        let opened = if self.has_room(0) {
            self.repair_engine()
                .and_then(|()| open_engine(&self.directory, &self.options, Some(self.high_water)))
        } else {
            Err(Fault::Io("the disk is full".into()))
        };
        let taken = opened.and_then(|log| self.take_up(log));
        if let Err(fault) = &taken {
            self.shared.stays_closed(&fault.to_string());
        }
        self.shared.repaired.notify_waiters();
        let Err(fault) = taken else { return };
        let next_try = match &fault {
            Fault::Io(_) | Fault::Stopped => Some(now + REOPEN_EVERY),
            Fault::Damaged(_) | Fault::Version => {
                let path = self.directory.path().display();
                log::error!(
                    "the log in {path} is damaged: {fault}. Publishes are refused; stop the server and \
                     restore a copy of the directory"
                );
                None
            }
        };
        let closing = None;
        self.state = State::Away { closing, next_try };
    }

    fn repair_engine(&mut self) -> Result<(), Fault> {
        let Some(fault) = self.damage.clone() else {
            return Ok(());
        };
        let retained = self.shared.retained_values();
        let (engine, cache_bytes) = (self.directory.engine(), self.options.cache_bytes);
        let repaired = catch_unwind(AssertUnwindSafe(|| {
            repair(&engine, cache_bytes, Some(&retained), &fault)
        }));
        let was_damaged =
            repaired.unwrap_or_else(|_| Err(Fault::Damaged("its files make no sense".into())))?;
        self.damage = None;
        self.in_vain = match fault {
            Fault::Damaged(_) if !was_damaged => self.in_vain + 1,
            _ => 0,
        };
        if self.in_vain > MAX_IN_VAIN {
            return Err(fault);
        }
        Ok(())
    }

    fn take_up(&mut self, mut log: Log) -> Result<(), Fault> {
        log.store.sync()?;
        self.high_water = log.high_water(true);
        self.mark.advance(self.high_water)?;
        // Of a commit that failed half-way it may have more than was answered.
        let mut head = self.shared.window.bounds().head;
        if let Some(lost) = log.lost.last().filter(|lost| lost.to > head) {
            self.shared.window.skip_to(lost.to);
            head = lost.to;
        }
        let missed = log.since(head)?;
        let oldest = log.find_oldest()?;
        // What reads met was of the engine that was closed.
        self.shared.take_damage();
        self.shared.reopen(&log, oldest);
        self.shared.stats.reconnects.add(1);
        self.shared.window.push(missed);
        self.state = State::Open(Box::new(log));
        self.is_over = true;
        let path = self.directory.path().display();
        log::info!("the log in {path} is open again");
        Ok(())
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
        if let State::Away { .. } = self.state {
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

/// Answers those that were written; returns the others.
fn answer(
    waiting: Vec<Waiting>,
    answers: Vec<Answer>,
    unread: Vec<(usize, Batch)>,
) -> Vec<(Batch, Waiting)> {
    let mut unread = unread.into_iter().peekable();
    let mut left = Vec::new();
    for (place, (waiting, answer)) in waiting.into_iter().zip(answers).enumerate() {
        match unread.next_if(|(unread, _)| *unread == place) {
            Some((_, batch)) => left.push((batch, waiting)),
            None => waiting.answer(answer),
        }
    }
    left
}

/// Damage is repaired once nobody waits for this commit; anything else ends it.
fn note(damage: &mut Option<Fault>, fault: Fault) -> Result<(), Fault> {
    match fault {
        Fault::Damaged(_) => {
            damage.get_or_insert(fault);
            Ok(())
        }
        fault => Err(fault),
    }
}

/// What became of a commit that failed.
#[derive(Clone, Copy)]
enum Outcome {
    Kept,
    NothingKept,
    Unknown,
}

impl Outcome {
    fn of(self, answer: Option<Answer>, why: &Unavailable) -> Answer {
        match (self, answer) {
            (_, Some(Err(refused))) => Err(refused),
            (Self::Kept, Some(kept)) => kept,
            (Self::Unknown, _) => Err(AppendError::OutcomeUnknown(why.clone())),
            _ => Err(AppendError::Unavailable(why.clone())),
        }
    }
}
