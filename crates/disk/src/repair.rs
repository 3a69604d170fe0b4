//! Makes a damaged log one that goes on: what cannot be read is lost, and reads meet it as a gap.
//!
//! The damaged blocks are replaced ([`DamagedBlocks`]), the index is made whole from the events, events whose erasure
//! was lost are erased again, and every event that is missing falls into a lost range. The engine runs without its background threads
//! meanwhile, which would meet the damage. A repair that was interrupted is repeated.

mod erased;

use std::path::Path;

use fjall::{AbstractTree as _, Keyspace};

use super::{
    engine::{Commit, Damaged, DamagedBlocks, EventBlock, Fault, Store, View, check_manifests},
    lost::{Lost, LostRanges},
    record::{Listed, Own, Standing, idempotency_index_key, topic_key, topic_value},
};
use sse_broadcaster::event::{EventId, Fields, IdempotencyKey};
use sse_broadcaster::internal::Retained;

/// How much is written in one step.
const STEP_BYTES: usize = 4 << 20;

/// Repairs the engine in a directory, because of a fault. `retained`: the values as they were committed last,
/// where they are still in memory. Returns whether anything was wrong.
pub(super) fn repair(
    engine: &Path,
    cache_bytes: u64,
    retained: Option<&Retained>,
    fault: &Fault,
) -> Result<bool, Fault> {
    check_manifests(engine)?;
    let store = Store::open_idle(engine, cache_bytes)?;
    let standing = store.standing()?;
    let standing =
        standing.ok_or_else(|| Fault::Damaged("it does not say where it stands".into()))?;
    let mut repair = Repair {
        is_repeated: store.is_in_repair()?,
        store: &store,
        holes: Vec::new(),
    };
    let is_damaged = repair.replace_blocks(retained)?;
    if !is_damaged && !repair.is_repeated && matches!(fault, Fault::Stopped) {
        // It was the disk.
        return Ok(false);
    }
    let has_lost = repair.find_lost(standing)?;
    Ok(is_damaged || has_lost || repair.is_repeated)
}

struct Repair<'a> {
    store: &'a Store,
    /// One that began before was interrupted.
    is_repeated: bool,
    /// What cannot be read of the index.
    holes: Vec<Hole>,
}

/// The keys behind one up to another.
struct Hole {
    after: Option<Vec<u8>>,
    last: Vec<u8>,
}

impl Hole {
    fn holds(&self, key: &[u8]) -> bool {
        self.after.as_ref().is_none_or(|after| key > &after[..]) && key <= &self.last[..]
    }
}

impl Repair<'_> {
    fn replace_blocks(&mut self, retained: Option<&Retained>) -> Result<bool, Fault> {
        let mut is_any = false;
        for keyspace in self.store.all() {
            for table in keyspace.tree.current_version().iter_tables() {
                let Some(damaged) = DamagedBlocks::find(table)? else {
                    continue;
                };
                is_any = true;
                log::error!(
                    "{} is damaged: {} parts of it cannot be read and are lost",
                    table.path.display(),
                    damaged.data().len()
                );
                self.prepare(keyspace, damaged.data(), retained)?;
                damaged.replace()?;
            }
        }
        Ok(is_any)
    }

    /// Notes that a repair is under way, and hides the items that will stand in for what is lost.
    fn prepare(
        &mut self,
        keyspace: &Keyspace,
        damaged: &[Damaged],
        retained: Option<&Retained>,
    ) -> Result<(), Fault> {
        let (view, mut commit) = (self.store.view(), self.store.begin());
        commit.begin_repair();
        for Damaged { after, last, .. } in damaged {
            match view.value(keyspace, last) {
                Ok(Some(newer)) => commit.put(keyspace, last, &newer),
                Ok(None) | Err(Fault::Damaged(_)) => commit.delete(keyspace, last),
                Err(fault) => return Err(fault),
            }
            if keyspace.name() == self.store.index.name() {
                let (after, last) = (after.clone(), last.clone());
                self.holes.push(Hole { after, last });
            }
        }
        if keyspace.name() == self.store.values.name() && !damaged.is_empty() {
            commit.finish_idle(None)?;
            return self.write_retained(retained);
        }
        commit.finish_idle(None)
    }

    /// Values are kept nowhere else: those that cannot be read are written again from memory.
    fn write_retained(&self, retained: Option<&Retained>) -> Result<(), Fault> {
        let retained = retained.ok_or_else(|| {
            Fault::Damaged("retained values of it, such as signals, cannot be read".into())
        })?;
        let mut commit = self.store.begin();
        for (key, value) in retained.iter() {
            commit.retain(key, Some(value));
        }
        commit.finish_idle(None)
    }

    /// Looks through all events: notes which are missing, and makes good what the index lost.
    fn find_lost(&mut self, mut standing: Standing) -> Result<bool, Fault> {
        let (view, known) = (self.store.view(), self.store.lost()?);
        let has_erased = standing.erased > 0;
        if has_erased {
            let mut commit = self.store.begin();
            erased::spend_again(&view, &mut commit, |key| self.may_lack(key))?;
            commit.finish_idle(None)?;
        }
        let (mut commit, mut found) = (self.store.begin(), Scan::new(&standing));
        for value in view.values(standing.floor, standing.head) {
            let (key, value) = value?;
            let Ok(block) = EventBlock::read_all(key, value) else {
                commit.remove_block(key);
                continue;
            };
            let records = block.records();
            for record in records.filter(|record| record.id > standing.floor) {
                let kept = record.decode()?;
                let (id, number) = (record.id, kept.number);
                if has_erased && erased::was_erased(&view, id, &kept.fields)? {
                    let left = erased::erase_again(&view, &mut commit, &record)?;
                    found.see(id, number, &left.event().fields(), &known);
                } else {
                    found.see(id, number, &kept.fields, &known);
                    self.restore_index(&view, &mut commit, id, &kept.fields)?;
                }
            }
            if commit.bytes() >= STEP_BYTES {
                let full = std::mem::replace(&mut commit, self.store.begin());
                full.finish_idle(None)?;
            }
        }
        found.end(&standing, &known);
        found.tell();
        (standing.bytes, standing.erased) = (found.bytes, found.erased);
        // Which idempotency keys were used before is not known for sure any more.
        standing.spent_overflowed |= self.is_repeated || !self.holes.is_empty();
        let has_lost = !found.lost.is_empty();
        let ranges = LostRanges::new(known.iter().chain(found.lost).collect());
        for lost in known.iter() {
            if ranges.iter().all(|kept| kept.to != lost.to) {
                commit.drop_lost(lost);
            }
        }
        for lost in ranges.iter() {
            commit.lose(lost);
        }
        commit.end_repair();
        commit.finish_idle(Some(&standing))?;
        Ok(has_lost)
    }

    fn restore_index(
        &self,
        view: &View<'_>,
        commit: &mut Commit<'_>,
        id: EventId,
        fields: &Fields<'_>,
    ) -> Result<(), Fault> {
        let listed = Listed::of(fields.is_erased());
        for topic in fields.topics() {
            let key = topic_key(listed, topic, id);
            if self.may_lack(&key) && !view.has_topic(listed, topic, id)? {
                let value = topic_value(fields.topics().len());
                commit.put(&self.store.index, &key, value);
            }
            let key = topic_key(Listed::Whole, topic, id);
            if fields.is_erased() && self.may_lack(&key) {
                // That it was removed may be among what was lost.
                commit.delete(&self.store.index, &key);
            }
        }
        let Some(idempotency_key) = fields
            .idempotency_key()
            .and_then(|idempotency_key| IdempotencyKey::new(idempotency_key).ok())
        else {
            return Ok(());
        };
        if !self.may_lack(&idempotency_index_key(idempotency_key.as_str())) {
            return Ok(());
        }
        match view.own(idempotency_key.as_str())? {
            Some(Own::Held { id: held, .. }) if held == id => {}
            _ => commit.own(&idempotency_key, Own::Held { id, once: false }),
        }
        Ok(())
    }

    fn may_lack(&self, key: &[u8]) -> bool {
        self.is_repeated || self.holes.iter().any(|hole| hole.holds(key))
    }
}

/// What was seen of the events, in order.
struct Scan {
    /// The id and number of the last.
    last: (EventId, u64),
    bytes: u64,
    erased: u64,
    lost: Vec<Lost>,
    missing: u64,
}

impl Scan {
    fn new(standing: &Standing) -> Self {
        Self {
            last: (standing.floor, standing.floor_number),
            bytes: 0,
            erased: 0,
            lost: Vec::new(),
            missing: 0,
        }
    }

    fn see(&mut self, id: EventId, number: u64, fields: &Fields<'_>, known: &LostRanges) {
        self.pass(id.before(), number.saturating_sub(1), known);
        self.last = (id, number);
        self.bytes += fields.cost() as u64;
        self.erased += u64::from(fields.is_erased());
    }

    fn end(&mut self, standing: &Standing, known: &LostRanges) {
        self.pass(standing.head, standing.head_number, known);
    }

    /// What is missing up to the next event, before which nothing had a position past `to`.
    fn pass(&mut self, to: EventId, number: u64, known: &LostRanges) {
        let (after, last) = self.last;
        if number <= last || known.end_of_gap(after).is_some_and(|end| end >= to) {
            return;
        }
        self.missing += number - last;
        self.lost.push(Lost { after, to });
    }

    fn tell(&self) {
        if let (Some(first), Some(last)) = (self.lost.first(), self.lost.last()) {
            log::error!(
                "{} events between {} and {} are lost: subscribers that ask for them receive a gap",
                self.missing,
                first.after,
                last.to
            );
        }
    }
}
