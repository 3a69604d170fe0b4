//! The JSON Patch from one document to another, with a bound on its length.

use std::fmt::Write as _;

use serde_json::Value;

use super::numbers::is_identical;

/// The patch of `add`, `remove` and `replace` from `old` to `new`; `None` once it is longer than `max_bytes`.
/// It is written while the documents are compared. Collecting the operations first, each with its path,
/// could take the square of the memory of a document with a long key above a long array.
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
    /// The JSON Pointer of the values that are compared.
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
                // Each removal moves the later items one place forward, to the same index.
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

    /// Calls `change` one level down.
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
        fn a_patch_equals_that_of_the_json_patch_library(old in any_value(), new in any_value()) {
            let known = serde_json::to_string(&json_patch::diff(&old, &new)).unwrap();
            let (exact, found) = (known.len(), diff(&old, &new, known.len()));
            prop_assert_eq!(found.as_ref(), Some(&known));
            prop_assert_eq!(diff(&old, &new, exact - 1), None);
        }
    }

    #[test]
    fn a_long_key_above_a_long_array_does_not_take_the_square_of_the_documents_memory() {
        let of = |n: u8| json!({ "k".repeat(100_000): vec![n; 100_000] });
        let (old, new) = (of(1), of(2));
        // The paths alone would be ten gigabytes.
        assert_eq!(diff(&old, &new, 400_000), None);
    }
}
