//! An engine that failed: it is closed, repaired where it is damaged, and reopened.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{State, Writer};
use crate::{
    engine::Fault,
    log::{Group, Log},
    opening::open_engine,
    queue::Response,
    repair::repair,
};
use sse_broadcaster::history::{AppendError, Unavailable};

/// How long readers may take to let go of an engine that failed, before its publishers are answered.
const CLOSE_WAIT: Duration = Duration::from_millis(500);
/// How often an engine that failed is reopened.
const REOPEN_EVERY: Duration = Duration::from_secs(1);
/// How many repairs in a row may find nothing wrong, before damage is left to the operator.
pub(super) const MAX_IN_VAIN: u32 = 3;

impl Writer {
    /// Before anything is taken from publishers, an engine that has stopped is reopened.
    pub(super) fn check_engine(&mut self) {
        if let State::Open(log) = &self.state
            && let Err(fault) = log.store.check()
        {
            self.fail(&fault, &Group::default());
        }
    }

    /// Repairs what this thread, or a read, has met.
    pub(super) fn repair_damage(&mut self) {
        let has_met = self.shared.take_damage() && self.in_vain < MAX_IN_VAIN;
        if has_met && self.damage.is_none() {
            self.damage = Some(Fault::Damaged("a read met what cannot be read".into()));
        }
        if let (State::Open(_), Some(fault)) = (&self.state, self.damage.clone()) {
            self.fail(&fault, &Group::default());
        }
    }

    /// Closes the engine, opens it anew at once if that can be, and says what became of the group.
    pub(super) fn fail(&mut self, fault: &Fault, group: &Group) -> Outcome {
        let path = self.directory.path().display();
        if let Fault::Damaged(_) | Fault::Stopped = fault {
            log::warn!(
                "the log in {path} is damaged, or has stopped: {fault}; it is repaired now, and publishes wait"
            );
            self.damage.get_or_insert_with(|| fault.clone());
        } else {
            log::error!(
                "the log in {path} failed: {fault}; publishes are refused until it is reopened"
            );
        }
        let closing = self
            .shared
            .close(fault.clone().into(), self.damage.is_some());
        self.state = State::Closed {
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
        let State::Closed { closing, .. } = &mut self.state else {
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

    pub(super) fn reopen(&mut self) {
        let State::Closed {
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
            self.shared.stays_closed(fault.clone().into());
        }
        self.shared.repaired.notify_waiters();
        let Err(fault) = taken else { return };
        let next_try = match &fault {
            Fault::Io(_) | Fault::Stopped => Some(now + REOPEN_EVERY),
            Fault::Damaged(_) | Fault::Version(_) => {
                let path = self.directory.path().display();
                log::error!(
                    "the log in {path} is damaged: {fault}. Publishes are refused; stop the server and \
                     restore a copy of the directory"
                );
                None
            }
        };
        let closing = None;
        self.state = State::Closed { closing, next_try };
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
        // Of a commit that failed half-way it may have more than was acknowledged.
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
}

/// What became of a commit that failed.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Kept,
    NothingKept,
    Unknown,
}

impl Outcome {
    pub(super) fn of(self, response: Option<Response>, why: &Unavailable) -> Response {
        match (self, response) {
            (_, Some(Err(refused))) => Err(refused),
            (Self::Kept, Some(kept)) => kept,
            (Self::Unknown, _) => Err(AppendError::OutcomeUnknown(why.clone())),
            _ => Err(AppendError::Unavailable(why.clone())),
        }
    }
}
