//! A change of a document, as a JSON Patch and as a JSON Merge Patch. Neither can be made from the other
//! without the document.

use bytes::Bytes;
use serde_json::{Map, Value};

use super::{SignalError, SignalName, diff::diff, document, numbers::is_identical, update::Update};
use sse_broadcaster::{
    event::{Event, EventId},
    history::{Batch, Precondition, Retain},
};

/// The batch that writes the document and publishes the change, on condition that the document still has
/// this version.
pub(super) fn batch(
    name: &SignalName,
    (old, version): (Option<&Value>, Option<EventId>),
    new: Option<&Value>,
    max_bytes: usize,
) -> Result<Batch, SignalError> {
    let document = new.map(|new| document::write(new, max_bytes)).transpose()?;
    let (patch, merge) = match (old, new, &document) {
        (Some(old), Some(new), Some(document)) => between(old, new, document),
        (None, Some(_), Some(document)) => (Update::whole(document), document.clone()),
        _ => (String::new(), Value::Null.to_string()),
    };
    let gone = old.and_then(|old| gone(old, new));
    let update = Update {
        name: name.as_str(),
        patch: &patch,
        merge: &merge,
        gone: gone.as_deref(),
    };
    let event = Event::builder(update.data()).topic(name.topic());
    let batch = Batch::from(event.build_internal()?)
        .retain(Retain::new(name.topic(), document.map(Bytes::from)))
        .precondition(Precondition::new(name.topic(), version));
    Ok(batch)
}

/// The JSON Patch and the JSON Merge Patch. The JSON Patch is never longer than the one that replaces the
/// whole document.
fn between(old: &Value, new: &Value, document: &str) -> (String, String) {
    let replaced = Update::whole(document);
    let patch = diff(old, new, replaced.len()).unwrap_or(replaced);
    (patch, merge_diff(old, new).to_string())
}

/// The JSON Merge Patch from the old value to the new one (RFC 7396). A member that is `null` in the new one
/// is absent at the client: the format cannot express it.
fn merge_diff(old: &Value, new: &Value) -> Value {
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return new.clone();
    };
    let gone = old.keys().filter(|key| !new.contains_key(*key));
    let gone = gone.map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter_map(|(key, new)| match old.get(key) {
        Some(old) if is_identical(old, new) => None,
        Some(old) => Some((key.clone(), merge_diff(old, new))),
        None => Some((key.clone(), new.clone())),
    });
    Value::Object(gone.chain(changed).collect())
}

/// The members that a merge removes without naming them, each with `null`: those of an object that another
/// value replaces, or that is removed as a whole. Always some text where the signal is removed.
fn gone(old: &Value, new: Option<&Value>) -> Option<String> {
    let none = || new.is_none().then(Map::new);
    let members = replaced(old, new).or_else(none)?;
    Some(Value::Object(members).to_string())
}

fn replaced(old: &Value, new: Option<&Value>) -> Option<Map<String, Value>> {
    let Value::Object(old) = old else { return None };
    let Some(Value::Object(new)) = new else {
        let names = old.iter().map(|(key, old)| {
            // An object without members counts as one name.
            let members = replaced(old, None).filter(|members| !members.is_empty());
            (key.clone(), members.map_or(Value::Null, Value::Object))
        });
        return Some(names.collect());
    };
    let members = old.iter().filter_map(|(key, old)| {
        let members = replaced(old, new.get(key))?;
        Some((key.clone(), Value::Object(members)))
    });
    let members: Map<_, _> = members.collect();
    (!members.is_empty()).then_some(members)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::Patch;

    pub(crate) fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            (-1e9..1e9f64).prop_map(Value::from),
            "[a-z/~\"\\\\é]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map("[a-c/~]{0,2}", inner, 0..5)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// The value after a merge: members that are null are absent.
    pub(crate) fn without_nulls(value: &Value) -> Value {
        match value {
            Value::Object(members) => members
                .iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| (key.clone(), without_nulls(value)))
                .collect(),
            other => other.clone(),
        }
    }

    proptest! {
        #[test]
        fn a_json_patch_makes_the_new_document_of_the_old_one(old in any_value(), new in any_value()) {
            let text = new.to_string();
            let (patch, merge) = between(&old, &new, &text);
            prop_assert!(patch.len() <= Update::whole(&text).len());
            let patched = Patch::json_patch(patch.as_bytes()).unwrap().apply(old.clone());
            prop_assert_eq!(patched.unwrap(), new.clone());
            let gone = gone(&old, Some(&new)).unwrap_or_default();
            prop_assert!(merge.len() + gone.len() <= text.len() + 2 * old.to_string().len() + 4);
        }

        #[test]
        fn a_merge_patch_makes_the_new_document_except_for_null_members(old in any_value(), new in any_value()) {
            let (old, new) = (without_nulls(&old), without_nulls(&new));
            let mut merged = old.clone();
            json_patch::merge(&mut merged, &merge_diff(&old, &new));
            prop_assert_eq!(without_nulls(&merged), new);
        }
    }

    #[test]
    fn a_json_patch_that_would_be_longer_than_the_document_replaces_the_whole_document() {
        let (old, new) = (json!((0..100).collect::<Vec<_>>()), json!([7]));
        let (patch, _) = between(&old, &new, "[7]");
        assert_eq!(patch, r#"[{"op":"replace","path":"","value":[7]}]"#);
        let (old, new) = (json!({"value": 1}), json!({"value": 2}));
        let (patch, merge) = between(&old, &new, r#"{"value":2}"#);
        assert_eq!(patch, r#"[{"op":"replace","path":"/value","value":2}]"#);
        assert_eq!(merge, r#"{"value":2}"#);
    }
}
