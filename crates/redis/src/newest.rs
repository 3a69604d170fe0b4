//! The newest entries of the log, step by step back from its head.

use ::redis::{Cmd, Value};

use super::{
    entry,
    read::{Begin, add_topics, ask},
    script,
    shared::Shared,
};
use sse_broadcaster::{
    event::{EventId, Selector},
    history::Unavailable,
};

/// Most entries that are looked at in one step back from the head, and their bytes.
const STEP_BACK: (usize, usize) = (512, 1 << 20);

/// A call for the newest entries, at most so many and so many bytes of them, at or before a position.
pub(super) fn newest(
    shared: &Shared,
    epoch: u64,
    (max_entries, max_bytes): (usize, usize),
    from: &str,
    with_erased: bool,
) -> Cmd {
    let keys = &shared.keys;
    let mut call = script::NEWEST.call(&[&keys.log, &keys.meta, &keys.topics, &keys.erased]);
    call.arg(epoch)
        .arg(max_entries)
        .arg(max_bytes)
        .arg(&keys.topic)
        .arg(from)
        .arg(u8::from(with_erased));
    call
}

/// Where the last so many begin that the selector admits; `None`: the log is of another epoch.
pub(super) async fn find_last(
    shared: &Shared,
    (epoch, head): (u64, EventId),
    selector: &Selector,
    count: usize,
) -> Result<Option<Begin>, Unavailable> {
    let (mut from, mut left) = (head.to_string(), count);
    loop {
        let step = STEP_BACK.0.min(left.max(1));
        let mut call = newest(shared, epoch, (step, STEP_BACK.1), &from, false);
        add_topics(&mut call, selector);
        let reply = ask(shared, &call).await?;
        let reply = entry::list(reply).map_err(|error| shared.unavailable_by(error))?;
        let Ok([is_all, entries, _]) = <[Value; 3]>::try_from(reply) else {
            return Ok(None);
        };
        let entries = entry::entries(entries).map_err(|error| shared.unavailable_by(error))?;
        for entry in entries {
            let id = entry.id;
            from = format!("({id}");
            if entry
                .event()
                .is_some_and(|stored| selector.admits(stored.event()))
            {
                left = left.saturating_sub(1);
                if left == 0 {
                    return Ok(Some(Begin::Before(id)));
                }
            }
        }
        if matches!(is_all, Value::Int(1)) {
            return Ok(Some(Begin::Earliest));
        }
    }
}
