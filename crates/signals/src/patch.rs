//! Patches that writers send: JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7396).

use json_patch::{PatchErrorKind, PatchOperation, jsonptr::Pointer, patch_unsafe};
use serde_json::Value;

use super::{
    MAX_DEPTH, MAX_DOCUMENT_BYTES, SignalError,
    document::{depth, parse, too_deep},
    numbers::is_equal,
};
use sse_broadcaster::{event::Invalid, internal::Shown};

const NO_PATH: &str = "its path names nothing in the document";
/// Most operations in one JSON Patch.
pub const MAX_OPERATIONS: usize = 500;

/// A change of a document: a JSON Patch or a JSON Merge Patch.
///
/// ```
/// use serde_json::json;
/// use sse_broadcaster_signals::Patch;
///
/// let patch = Patch::json_patch(br#"[{"op":"replace","path":"/n","value":2}]"#)?;
/// assert_eq!(patch.apply(json!({ "n": 1 }))?, json!({ "n": 2 }));
/// assert_eq!(patch.apply(json!([])).unwrap_err().code(), "patch_failed");
/// # Ok::<(), sse_broadcaster_signals::SignalError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Patch(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Operations(Vec<PatchOperation>),
    Merge(Value),
}

impl Patch {
    /// A JSON Patch, `application/json-patch+json`.
    ///
    /// # Errors
    /// `invalid_json`, `integer_too_large`; `invalid_patch` for text that is not an array of operations, or
    /// for more than [`MAX_OPERATIONS`].
    pub fn json_patch(text: &[u8]) -> Result<Self, SignalError> {
        let invalid = |detail: String| SignalError::Invalid(Invalid::new("invalid_patch", detail));
        let operations: Vec<PatchOperation> =
            serde_json::from_value(parse(text)?).map_err(|error| {
                // It may quote any text of the patch.
                let error = error.to_string();
                let error = Shown(&error);
                invalid(format!(
                    "not a JSON Patch: {error}; send an array of operations, like \
                     [{{\"op\":\"replace\",\"path\":\"/value\",\"value\":1}}]"
                ))
            })?;
        if operations.len() > MAX_OPERATIONS {
            return Err(invalid(format!(
                "the patch has {} operations; at most {MAX_OPERATIONS} are accepted",
                operations.len()
            )));
        }
        Ok(Self(Kind::Operations(operations)))
    }

    /// A JSON Merge Patch, `application/merge-patch+json`.
    ///
    /// # Errors
    /// `invalid_json`, `integer_too_large`.
    pub fn merge_patch(text: &[u8]) -> Result<Self, SignalError> {
        Ok(Self(Kind::Merge(parse(text)?)))
    }

    /// The document after the patch.
    ///
    /// # Errors
    /// [`SignalError::Patch`] when a `test` fails or a path is missing; `too_deep`, `too_large`.
    pub fn apply(&self, document: Value) -> Result<Value, SignalError> {
        match &self.0 {
            Kind::Operations(operations) => apply(operations, document),
            Kind::Merge(patch) => {
                let mut document = document;
                json_patch::merge(&mut document, patch);
                Ok(document)
            }
        }
    }
}

/// Applies one operation after the other, checking each first: copies of copies could exhaust the memory and
/// the stack before there is a document to check.
fn apply(operations: &[PatchOperation], mut document: Value) -> Result<Value, SignalError> {
    let mut copied_bytes = 0;
    for (at, operation) in operations.iter().enumerate() {
        check_growth(&document, operation, &mut copied_bytes)?;
        apply_one(&mut document, operation).map_err(|why| {
            let detail = format!(
                "operation {at} of the patch ({}) fails: {why}",
                brief(operation)
            );
            SignalError::Patch(detail)
        })?;
    }
    Ok(document)
}

fn check_growth(
    document: &Value,
    operation: &PatchOperation,
    copied_bytes: &mut usize,
) -> Result<(), SignalError> {
    match operation {
        PatchOperation::Copy(copy) => {
            *copied_bytes += placed(document, &copy.from, &copy.path)?.to_string().len();
            if *copied_bytes > MAX_DOCUMENT_BYTES {
                return Err(SignalError::TooLarge {
                    max: MAX_DOCUMENT_BYTES,
                });
            }
            Ok(())
        }
        PatchOperation::Move(moved) => placed(document, &moved.from, &moved.path).map(drop),
        PatchOperation::Add(add) => check_depth(&add.path, &add.value),
        PatchOperation::Replace(replace) => check_depth(&replace.path, &replace.value),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => Ok(()),
    }
}

fn apply_one(document: &mut Value, operation: &PatchOperation) -> Result<(), &'static str> {
    if let PatchOperation::Test(test) = operation {
        return match document.pointer(test.path.as_str()) {
            Some(value) if is_equal(value, &test.value) => Ok(()),
            Some(_) => Err("the document has another value there"),
            None => Err(NO_PATH),
        };
    }
    let patched = patch_unsafe(document, std::slice::from_ref(operation));
    patched.map_err(|error| match error.kind {
        PatchErrorKind::InvalidFromPointer => "its \"from\" names nothing in the document",
        PatchErrorKind::CannotMoveInsideItself => "a value cannot be moved into itself",
        _ => NO_PATH,
    })
}

/// The value that the operation puts at `path`. That there is none at `from` is reported by the operation.
fn placed<'a>(
    document: &'a Value,
    from: &Pointer,
    path: &Pointer,
) -> Result<&'a Value, SignalError> {
    let value = document.pointer(from.as_str()).unwrap_or(&Value::Null);
    check_depth(path, value)?;
    Ok(value)
}

fn check_depth(path: &Pointer, value: &Value) -> Result<(), SignalError> {
    if path.count() + depth(value) > MAX_DEPTH {
        return Err(too_deep());
    }
    Ok(())
}

/// The operation and its path, cut to the length of a message.
fn brief(operation: &PatchOperation) -> String {
    let name = match operation {
        PatchOperation::Add(_) => "add",
        PatchOperation::Remove(_) => "remove",
        PatchOperation::Replace(_) => "replace",
        PatchOperation::Move(_) => "move",
        PatchOperation::Copy(_) => "copy",
        PatchOperation::Test(_) => "test",
    };
    let path: String = operation.path().as_str().chars().take(100).collect();
    format!("{name} {path:?}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(patch: &Value, document: Value) -> Result<Value, SignalError> {
        Patch::json_patch(patch.to_string().as_bytes())?.apply(document)
    }

    #[test]
    fn the_error_of_a_patch_names_the_operation_and_the_reason() {
        let patch = json!([
            {"op": "test", "path": "/a", "value": 1},
            {"op": "remove", "path": "/b"},
        ]);
        let refused = |document| patched(&patch, document).unwrap_err().to_string();
        assert_eq!(
            refused(json!({"a": 2})),
            "operation 0 of the patch (test \"/a\") fails: the document has another value there"
        );
        assert_eq!(
            refused(json!({"a": 1})),
            "operation 1 of the patch (remove \"/b\") fails: its path names nothing in the document"
        );
        let document = json!({"a": 1, "b": 2});
        assert_eq!(patched(&patch, document).unwrap(), json!({"a": 1}));
    }

    #[test]
    fn copies_of_copies_exhaust_neither_memory_nor_stack() {
        let doubling = json!({"op": "copy", "from": "", "path": "/a"});
        let deep = vec![doubling; 100];
        let refused = patched(&Value::from(deep), json!({})).unwrap_err();
        assert_eq!(refused.code(), "too_deep");
        let wide: Vec<_> = (0..100)
            .map(|n| json!({"op": "copy", "from": "/a", "path": format!("/a/{n}")}))
            .collect();
        let refused = patched(
            &Value::from(wide),
            json!({"a": {"text": "x".repeat(9_000)}}),
        );
        assert!(["too_large", "too_deep"].contains(&refused.unwrap_err().code()));
        let flat: Vec<_> = (0..100)
            .map(|n| json!({"op": "copy", "from": "/a", "path": format!("/{n}")}))
            .collect();
        let refused = patched(&Value::from(flat), json!({"a": "x".repeat(9_000)}));
        assert_eq!(refused.unwrap_err().code(), "too_large");
    }

    #[test]
    fn text_that_is_not_a_json_patch_is_rejected_with_an_example() {
        for text in [
            "{}",
            "[1]",
            r#"[{"op":"turn","path":""}]"#,
            r#"[{"op":"add"}]"#,
        ] {
            let refused = Patch::json_patch(text.as_bytes()).unwrap_err();
            assert_eq!(refused.code(), "invalid_patch", "{text}");
        }
        let operation = json!({"op": "remove", "path": "/a"});
        let many = Value::from(vec![operation; MAX_OPERATIONS + 1]).to_string();
        let refused = Patch::json_patch(many.as_bytes()).unwrap_err();
        assert_eq!(refused.code(), "invalid_patch");
    }
}
