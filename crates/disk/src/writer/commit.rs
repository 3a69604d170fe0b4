//! One commit: what waiting publishers have appended, and what retention drops for it.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use super::{State, Writer};
use crate::{
    engine::Fault,
    high_water_mark::HighWater,
    log::Group,
    queue::{Pending, Response, Waiting},
};
use sse_broadcaster::history::{AppendError, Batch, SyncPolicy, Unavailable};

impl Writer {
    /// One commit of all these, and of what retention drops.
    pub(super) fn append(&mut self, group: Vec<Pending>) {
        self.check_engine();
        let bytes = group.iter().map(|pending| pending.bytes).sum();
        if let Err(why) = self.check_room(bytes) {
            for pending in group {
                pending.respond(Err(AppendError::Unavailable(why.clone())));
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
                let unread = respond(waiting, group.responses, group.unread);
                self.repair_damage();
                self.append_repaired(unread);
            }
            Err(fault) => {
                let outcome = self.fail(&fault, &group);
                let mut responses = group.responses.into_iter();
                for waiting in waiting {
                    waiting.respond(outcome.of(responses.next(), &self.shared.why()));
                }
            }
        }
    }

    /// Batches whose idempotency keys could not be looked up before, which nothing was written of.
    fn append_repaired(&mut self, unread: Vec<(Batch, Waiting)>) {
        if unread.is_empty() {
            return;
        }
        if self.damage.is_some() {
            let why = self.shared.why();
            for (_, waiting) in unread {
                waiting.respond(Err(AppendError::Unavailable(why.clone())));
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
        for (index, batch) in batches.into_iter().enumerate() {
            match log.owns(&batch, group) {
                Ok(owns) => log.place(&mut commit, group, batch, owns),
                Err(fault) => {
                    let why = Unavailable::new("the idempotency keys cannot be read");
                    let why = why.with_source(fault.clone());
                    note(&mut self.damage, fault)?;
                    group.unread.push((index, batch));
                    group.responses.push(Err(AppendError::Unavailable(why)));
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
}

/// Responds to those that were written; returns the others.
fn respond(
    waiting: Vec<Waiting>,
    responses: Vec<Response>,
    unread: Vec<(usize, Batch)>,
) -> Vec<(Batch, Waiting)> {
    let mut unread = unread.into_iter().peekable();
    let mut left = Vec::new();
    for (index, (waiting, response)) in waiting.into_iter().zip(responses).enumerate() {
        match unread.next_if(|(unread, _)| *unread == index) {
            Some((_, batch)) => left.push((batch, waiting)),
            None => waiting.respond(response),
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
