//! What makes one document of another, as a JSON Patch that is never longer than it may be.

use std::fmt::Write as _;

use serde_json::Value;

use super::numbers::is_identical;

/// The patch of `add`, `remove` and `replace` that makes `new` of `old`; `None` once it is longer than
/// so many bytes. It is written as it is found: as a list of operations, each with its path, it can be
/// as large as the square of a document with a long key above a long array.
pub(super) fn diff(old: &Value, new: &Value, max_bytes: usize) -> Option<String> {
    let mut patch = Patch {
        text: String::from("["),
        path: String::new(),
        max_bytes,
    };
    patch.change(old, new)?;
    patch.text.push(']');
    (patch.text.len() <= max_bytes).then_some(patch.text)
}

struct Patch {
    text: String,
    /// Where it is, as a JSON Pointer.
    path: String,
    max_bytes: usize,
}

impl Patch {
    fn change(&mut self, old: &Value, new: &Value) -> Option<()> {
        match (old, new) {
            (Value::Object(old), Value::Object(new)) => {
                for (key, new) in new {
                    self.at(key, |patch| match old.get(key) {
                        Some(old) => patch.change(old, new),
                        None => patch.operate("add", Some(new)),
                    })?;
                }
                for key in old.keys().filter(|key| !new.contains_key(*key)) {
                    self.at(key, |patch| patch.operate("remove", None))?;
                }
                Some(())
            }
            (Value::Array(old), Value::Array(new)) => {
                for (at, (old, new)) in old.iter().zip(new).enumerate() {
                    self.at(&at.to_string(), |patch| patch.change(old, new))?;
                }
                for (at, new) in new.iter().enumerate().skip(old.len()) {
                    self.at(&at.to_string(), |patch| patch.operate("add", Some(new)))?;
                }
                // Those behind it take its place.
                for _ in new.len()..old.len() {
                    let at = new.len().to_string();
                    self.at(&at, |patch| patch.operate("remove", None))?;
                }
                Some(())
            }
            _ if is_identical(old, new) => Some(()),
            _ => self.operate("replace", Some(new)),
        }
    }

    /// Does it one level down.
    fn at(&mut self, token: &str, change: impl FnOnce(&mut Self) -> Option<()>) -> Option<()> {
        let above = self.path.len();
        self.path.push('/');
        for c in token.chars() {
            match c {
                '~' => self.path.push_str("~0"),
                '/' => self.path.push_str("~1"),
                c => self.path.push(c),
            }
        }
        let changed = change(self);
        self.path.truncate(above);
        changed
    }

    fn operate(&mut self, operation: &str, value: Option<&Value>) -> Option<()> {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        let path = Value::from(self.path.as_str());
        let _ = write!(self.text, r#"{{"op":"{operation}","path":{path}"#);
        if let Some(value) = value {
            let _ = write!(self.text, r#","value":{value}"#);
        }
        self.text.push('}');
        (self.text.len() < self.max_bytes).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::change::tests::any_value;

    proptest! {
        #[test]
        fn it_is_what_the_library_finds_that_clients_know(old in any_value(), new in any_value()) {
            let known = serde_json::to_string(&json_patch::diff(&old, &new)).unwrap();
            let (exact, found) = (known.len(), diff(&old, &new, known.len()));
            prop_assert_eq!(found.as_ref(), Some(&known));
            prop_assert_eq!(diff(&old, &new, exact - 1), None);
        }
    }

    #[test]
    fn a_long_key_above_a_long_array_does_not_make_a_square_of_the_document() {
        let of = |n: u8| json!({ "k".repeat(100_000): vec![n; 100_000] });
        let (old, new) = (of(1), of(2));
        // The paths alone would be ten gigabytes.
        assert_eq!(diff(&old, &new, 400_000), None);
    }
}
