//! Which events one step of an erasure is about, found by a thread that reads, so that the writer never looks through
//! a topic.

use super::{
    engine::{Fault, Store},
    lost::LostRanges,
};
use sse_broadcaster::{
    event::{Event, EventId},
    history::{EraseScope, Erasure, MAX_ERASED_AT_ONCE},
};

/// Most that one step writes, by [`Event::cost`]; one event alone may be more. Topics may be long.
const MAX_STEP_BYTES: u64 = 4 << 20;

/// One step of an erasure.
pub(super) struct ErasureStep {
    pub(super) erasure: Erasure,
    /// The oldest events that it includes, in order. By the time they are erased some may be gone, but there are no
    /// others up to the last of them: what is appended meanwhile comes behind.
    pub(super) ids: Vec<EventId>,
    /// There are others.
    pub(super) more: bool,
    /// What is left of these events, and the event that tells of it.
    pub(super) bytes: u64,
}

impl ErasureStep {
    /// The next step, of events up to `end`; `None` where there is nothing to erase.
    pub(super) fn find(
        store: &Store,
        erasure: Erasure,
        end: EventId,
        lost: &LostRanges,
    ) -> Result<Option<Self>, Fault> {
        let view = store.view();
        let floor = view.standing()?.floor;
        let to = erasure.up_to.map_or(end, |up_to| up_to.min(end));
        let mut step = Self {
            bytes: erasure.event(to).cost() as u64,
            ids: Vec::new(),
            more: false,
            erasure,
        };
        for listed in view.whole_of_topic(&step.erasure.topic, floor, to) {
            let (id, has_others) = listed?;
            let is_passed_over = has_others && step.erasure.scope == EraseScope::Alone;
            if is_passed_over || (lost.hold(id) && !view.holds(id)?) {
                continue;
            }
            let record = view.event(id)?;
            let event = Event::unpack(&record.decode()?.fields);
            if !step.erasure.includes(&event) {
                continue;
            }
            let bytes = event.erased().cost() as u64;
            let is_full =
                step.ids.len() == MAX_ERASED_AT_ONCE || step.bytes + bytes > MAX_STEP_BYTES;
            if is_full && !step.ids.is_empty() {
                step.more = true;
                break;
            }
            step.bytes += bytes;
            step.ids.push(id);
        }
        Ok((!step.ids.is_empty()).then_some(step))
    }
}
