//! The members that were removed from documents since a position. A JSON Merge Patch removes only the members
//! that it names with `null`, so a client that reconnects with an older document has to be sent these names.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde_json::Value;

use super::{SignalName, update::Update};
use sse_broadcaster::{
    broadcaster::{Broadcaster, Start},
    event::{EventId, Selector},
    history::{Found, Unavailable},
};

/// Most changes, and bytes of them, that are read for one client. Beyond that its state is unknown.
const MAX_CHANGES: usize = 20_000;
const MAX_CHANGES_BYTES: usize = 4 << 20;
/// Most members that are remembered as removed, and bytes of their names.
const MAX_MEMBERS: usize = 10_000;
const MAX_MEMBERS_BYTES: usize = 256 << 10;
/// How often, and how long each time, a read waits until the window has the position of the documents.
const MAX_WAITS: u32 = 200;
const WAIT: Duration = Duration::from_millis(5);

/// Names of members, each with those below it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Members(BTreeMap<String, Members>);

/// What was removed from one signal since a position.
#[derive(Debug, Default)]
pub(super) struct Removed {
    /// The signal itself was removed at least once.
    pub(super) whole: bool,
    pub(super) members: Members,
}

/// More was removed than is remembered, or what was removed is not known.
#[derive(Debug, PartialEq)]
pub(super) struct Unknown;

struct Remaining {
    members: usize,
    bytes: usize,
}

impl Members {
    /// The members of objects that a client holds. Empty strings are left out: Datastar creates one for each
    /// member that an expression reads and that does not exist.
    pub(super) fn held(value: &Value) -> Self {
        let Value::Object(members) = value else {
            return Self::default();
        };
        let held = members.iter().filter(|(_, value)| *value != "");
        Self(
            held.map(|(key, value)| (key.clone(), Self::held(value)))
                .collect(),
        )
    }

    /// Adds the members that the merge names with `null`, and the objects above them.
    fn add(&mut self, merge: &Value, remaining: &mut Remaining) -> Result<(), Unknown> {
        let Value::Object(merge) = merge else {
            return Ok(());
        };
        for (key, value) in merge {
            if !value.is_null() && !value.is_object() {
                continue;
            }
            if !self.0.contains_key(key) {
                remaining.take(key)?;
                self.0.insert(key.clone(), Self::default());
            }
            if let Some(below) = self.0.get_mut(key) {
                below.add(value, remaining)?;
            }
        }
        Ok(())
    }

    /// The document with `null` for the members that it does not have; `None` where it has them all.
    pub(super) fn merged_with(&self, document: &[u8]) -> Option<String> {
        if self.0.is_empty() || !document.starts_with(b"{") {
            return None;
        }
        let mut value = serde_json::from_slice(document).ok()?;
        self.add_nulls(&mut value).then(|| value.to_string())
    }

    fn add_nulls(&self, value: &mut Value) -> bool {
        let Value::Object(members) = value else {
            return false;
        };
        let mut added = false;
        for (key, below) in &self.0 {
            if let Some(value) = members.get_mut(key) {
                added |= below.add_nulls(value);
            } else {
                members.insert(key.clone(), Value::Null);
                added = true;
            }
        }
        added
    }
}

impl Remaining {
    fn take(&mut self, key: &str) -> Result<(), Unknown> {
        let members = self.members.checked_sub(1);
        let bytes = self.bytes.checked_sub(key.len());
        (self.members, self.bytes) = members.zip(bytes).ok_or(Unknown)?;
        Ok(())
    }
}

/// What was removed from each of these signals after the client's last id, up to `until` at least, in the
/// order of the names. `Unknown` where history no longer holds all changes, or they exceed a bound.
pub(super) async fn since(
    broadcaster: &Broadcaster,
    names: &Arc<[SignalName]>,
    id: &str,
    until: EventId,
) -> Result<Result<Vec<Removed>, Unknown>, Unavailable> {
    if !is_in_window(broadcaster, until).await {
        return Ok(Err(Unknown));
    }
    let topics: Vec<&str> = names.iter().map(SignalName::topic).collect();
    let Ok(selector) = Selector::topics(&topics) else {
        return Ok(Err(Unknown));
    };
    let start = Start::After(id.to_owned());
    let reading = broadcaster.read_history(selector, start, MAX_CHANGES);
    let mut reading = reading.await?;
    if reading.missing().is_some() {
        return Ok(Err(Unknown));
    }
    let mut removed: Vec<Removed> = names.iter().map(|_| Removed::default()).collect();
    let mut remaining = Remaining {
        members: MAX_MEMBERS,
        bytes: MAX_MEMBERS_BYTES,
    };
    let mut bytes = 0;
    while let Some(changes) = reading.next().await? {
        bytes += changes.iter().map(Found::text_bytes).sum::<usize>();
        let recorded = changes
            .iter()
            .try_for_each(|change| record(change, names, &mut removed, &mut remaining));
        if bytes > MAX_CHANGES_BYTES || recorded.is_err() {
            return Ok(Err(Unknown));
        }
        // Reading from memory never waits: without this, other tasks of the thread would.
        tokio::task::yield_now().await;
    }
    if reading.has_more() {
        return Ok(Err(Unknown));
    }
    Ok(Ok(removed))
}

/// With a log on disk or in Redis, documents may be newer than the window.
async fn is_in_window(broadcaster: &Broadcaster, id: EventId) -> bool {
    for _ in 0..MAX_WAITS {
        if broadcaster.bounds().head >= id {
            return true;
        }
        tokio::time::sleep(WAIT).await;
    }
    false
}

fn record(
    change: &Found,
    names: &[SignalName],
    removed: &mut [Removed],
    remaining: &mut Remaining,
) -> Result<(), Unknown> {
    let fields = change.fields();
    let update = Update::of(&fields).ok_or(Unknown)?;
    let at = names.binary_search_by(|name| name.as_str().cmp(update.name));
    let removed = at.ok().and_then(|at| removed.get_mut(at)).ok_or(Unknown)?;
    if update.patch.is_empty() {
        removed.whole = true;
        // Written by a version that did not record the members of a removed signal.
        update.gone.ok_or(Unknown)?;
    }
    for names in [Some(update.merge), update.gone].into_iter().flatten() {
        // Most changes remove nothing and need not be parsed.
        if memchr::memmem::find(names.as_bytes(), b"null").is_some() {
            let names = serde_json::from_str(names).map_err(|_| Unknown)?;
            removed.members.add(&names, remaining)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::change::{
        self,
        tests::{any_value, without_nulls},
    };

    fn removed(steps: &[Value]) -> Removed {
        let names = [SignalName::new("a").unwrap()];
        let mut removed = [Removed::default()];
        let mut remaining = Remaining {
            members: 1_000,
            bytes: 10_000,
        };
        for pair in steps.windows(2) {
            let [old, new] = [&pair[0], &pair[1]].map(|v| (!v.is_null()).then_some(v));
            if old.is_none() && new.is_none() {
                // Nothing is published where there was no document before, and is none now.
                continue;
            }
            let batch = change::batch(&names[0], (old, None), new, 100_000).unwrap();
            let event = batch.events.into_iter().next().unwrap();
            let stored = sse_broadcaster::event::Stored::new(EventId::new(1, 1), 1, event);
            let found = Found::Shared(Arc::new(stored));
            record(&found, &names, &mut removed, &mut remaining).unwrap();
        }
        let [removed] = removed;
        removed
    }

    proptest! {
        #[test]
        fn one_merge_brings_clients_that_missed_changes_to_the_document(
            steps in prop::collection::vec(any_value(), 2..6)
        ) {
            let steps: Vec<Value> = steps.iter().map(without_nulls).collect();
            let (first, last) = (&steps[0], &steps[steps.len() - 1]);
            let text = last.to_string();
            let merge = removed(&steps).members.merged_with(text.as_bytes());
            let merge: Value = serde_json::from_str(&merge.unwrap_or(text)).unwrap();
            let mut merged = first.clone();
            json_patch::merge(&mut merged, &merge);
            prop_assert_eq!(without_nulls(&merged), last.clone());
        }

        #[test]
        fn one_merge_brings_clients_that_send_the_signals_they_hold_to_the_document(held in any_value(), new in any_value()) {
            let (held, new) = (without_nulls(&held), without_nulls(&new));
            let text = new.to_string();
            let merge = Members::held(&held).merged_with(text.as_bytes());
            let merge: Value = serde_json::from_str(&merge.unwrap_or(text)).unwrap();
            let mut merged = held.clone();
            json_patch::merge(&mut merged, &merge);
            // An empty string at the client may stay.
            let members = |value: &Value| Members::held(value);
            prop_assert_eq!(members(&without_nulls(&merged)), members(&new));
        }
    }

    #[test]
    fn a_member_that_was_an_empty_object_is_named_with_null() {
        let steps = [json!({"a": {}}), json!([]), json!({})];
        let merge = removed(&steps).members.merged_with(b"{}");
        assert_eq!(merge.unwrap(), r#"{"a":null}"#);
    }

    #[test]
    fn a_member_that_was_added_again_is_not_named_with_null() {
        let steps = [
            json!({"a": 1, "b": {"x": 1}}),
            json!({"b": {"y": 1}}),
            json!(7),
            json!({"a": 2}),
        ];
        let merge = removed(&steps).members.merged_with(br#"{"a":2}"#);
        assert_eq!(merge.unwrap(), r#"{"a":2,"b":null}"#);
    }

    #[test]
    fn more_members_than_are_remembered_make_the_state_unknown() {
        let mut remaining = Remaining {
            members: 1,
            bytes: 100,
        };
        let merge = json!({"a": null, "b": null});
        let added = Members::default().add(&merge, &mut remaining);
        assert_eq!(added, Err(Unknown));
    }
}
