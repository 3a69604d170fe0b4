//! One commit: what waiting publishers have appended, what retention drops for it, and what is erased.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use super::{State, Writer};
use crate::{
    engine::{Commit, Fault},
    high_water_mark::HighWater,
    log::{Group, Log},
    queue::{Job, Pending, Response, Waiting},
};
use sse_broadcaster::history::{AppendError, Retention, SyncPolicy, Unavailable};

impl Writer {
    /// One commit of all these, and of what retention drops.
    pub(super) fn append(&mut self, mut group: Vec<Pending>) {
        self.check_engine();
        // A stable sort: batches stay in their order.
        group.sort_by_key(Pending::erases);
        let bytes = group.iter().map(|pending| pending.bytes).sum();
        if let Err(why) = self.check_room(bytes) {
            for pending in group {
                pending.respond(Err(AppendError::Unavailable(why.clone())));
            }
            return;
        }
        let (jobs, waiting): (Vec<_>, Vec<_>) = group.into_iter().map(Pending::split).unzip();
        let began = Instant::now();
        let mut group = Group::default();
        let written = catch_unwind(AssertUnwindSafe(|| self.write(jobs, &mut group)));
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

    /// Jobs for which something could not be read before, which nothing was written of.
    fn append_repaired(&mut self, unread: Vec<(Job, Waiting)>) {
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

    fn write(&mut self, jobs: Vec<Job>, group: &mut Group) -> Result<(), Fault> {
        let State::Open(log) = &mut self.state else {
            return Err(Fault::Io("it is closed".into()));
        };
        let retention = self.options.retention;
        let before = log.standing;
        let store = Arc::clone(&log.store);
        let mut commit = store.begin();
        place(log, &mut commit, group, jobs, retention, &mut self.damage)?;
        if log.standing == before {
            self.is_over = false;
            return Ok(());
        }
        log.write_values(&mut commit, group);
        let always = self.options.sync == SyncPolicy::Always;
        if log.standing.erased > 0 {
            self.directory.allow_erased()?;
        }
        if group.stored.len() > 1 {
            self.directory.allow_blocks()?;
        }
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

/// What a commit writes: batches, then what retention drops for them, then what is erased, so that no event is
/// erased and dropped in one commit.
fn place(
    log: &mut Log,
    commit: &mut Commit<'_>,
    group: &mut Group,
    mut batches: Vec<Job>,
    retention: Retention,
    damage: &mut Option<Fault>,
) -> Result<(), Fault> {
    let committed = log.standing.head;
    let erasures = batches.split_off(batches.partition_point(|job| !job.erases()));
    place_all(log, commit, group, batches, damage)?;
    // What was dropped before damage was met stays dropped.
    if let Err(fault) = log.trim(commit, retention, committed) {
        note(damage, fault)?;
    }
    place_all(log, commit, group, erasures, damage)
}

fn place_all(
    log: &mut Log,
    commit: &mut Commit<'_>,
    group: &mut Group,
    jobs: Vec<Job>,
    damage: &mut Option<Fault>,
) -> Result<(), Fault> {
    for job in jobs {
        if let Some((job, fault)) = log.place(commit, group, job) {
            let why = Unavailable::new(job.cannot_be_read()).with_source(fault.clone());
            note(damage, fault)?;
            group.unread.push((group.responses.len(), job));
            let refused = AppendError::Unavailable(why);
            group.responses.push(Err(refused));
        }
    }
    Ok(())
}

/// Responds to those that were written; returns the others.
fn respond(
    waiting: Vec<Waiting>,
    responses: Vec<Response>,
    unread: Vec<(usize, Job)>,
) -> Vec<(Job, Waiting)> {
    let mut unread = unread.into_iter().peekable();
    let mut left = Vec::new();
    for (index, (waiting, response)) in waiting.into_iter().zip(responses).enumerate() {
        match unread.next_if(|(unread, _)| *unread == index) {
            Some((_, job)) => left.push((job, waiting)),
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
