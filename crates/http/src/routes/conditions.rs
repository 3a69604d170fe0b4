//! `If-Match` and `If-None-Match` (RFC 9110, section 13), whose entity tags are versions of documents.

use crate::{Refusal, RequestHead};
use sse_broadcaster::event::EventId;
use sse_broadcaster_signals::{Condition, Versions};

/// How tags are compared: by a weak comparison, `W/"1-0"` is `"1-0"`.
#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Strong,
    Weak,
}

/// Not a list of entity tags.
struct Malformed;

/// The condition of a read. A malformed `If-None-Match` is ignored: it only lists what a cache has.
pub(crate) fn condition_of_read(request: &impl RequestHead) -> Result<Condition, Refusal> {
    Ok(Condition::new(
        versions(request, "If-Match", Comparison::Strong)?,
        versions(request, "If-None-Match", Comparison::Weak).unwrap_or(None),
    ))
}

/// The condition of a write.
pub(crate) fn condition(request: &impl RequestHead) -> Result<Condition, Refusal> {
    Ok(Condition::new(
        versions(request, "If-Match", Comparison::Strong)?,
        versions(request, "If-None-Match", Comparison::Weak)?,
    ))
}

/// The versions that a header names; `None` without the header. A tag that no version can have matches none.
fn versions(
    request: &impl RequestHead,
    name: &str,
    comparison: Comparison,
) -> Result<Option<Versions>, Refusal> {
    let lower = name.to_ascii_lowercase();
    let given: Vec<_> = request.header_values(&lower).collect();
    if given.is_empty() {
        return Ok(None);
    }
    // Several headers of one name are one list.
    let list = given.join(&b", "[..]);
    let versions = read_list(&list, comparison).map_err(|Malformed| {
        let shown: String = String::from_utf8_lossy(&list).chars().take(100).collect();
        let detail = format!(
            "{name} is {shown:?}; it takes * or entity tags in quotes, as ETag has them: {name}: \"1763712000000-42\""
        );
        Refusal::bad_request("invalid_condition", detail)
    })?;
    Ok(Some(versions))
}

fn read_list(list: &[u8], comparison: Comparison) -> Result<Versions, Malformed> {
    if list.trim_ascii() == b"*" {
        return Ok(Versions::Any);
    }
    let mut versions = Vec::new();
    let (mut rest, mut tags) = (list, 0);
    loop {
        // A list may have empty members.
        rest = trim_start(rest, |byte| matches!(byte, b' ' | b'\t' | b','));
        if rest.is_empty() {
            return if tags > 0 {
                Ok(Versions::These(versions))
            } else {
                Err(Malformed)
            };
        }
        let weak = rest.strip_prefix(b"W/");
        let quoted = weak.unwrap_or(rest).strip_prefix(b"\"").ok_or(Malformed)?;
        let end = memchr::memchr(b'"', quoted).ok_or(Malformed)?;
        let (tag, after) = (&quoted[..end], &quoted[end + 1..]);
        if weak.is_none() || comparison == Comparison::Weak {
            versions.extend(version(tag));
        }
        tags += 1;
        rest = trim_start(after, |byte| matches!(byte, b' ' | b'\t'));
        if !rest.is_empty() && !rest.starts_with(b",") {
            return Err(Malformed);
        }
    }
}

/// The version of a tag in its canonical form: tags are compared as text.
fn version(tag: &[u8]) -> Option<EventId> {
    let text = std::str::from_utf8(tag).ok()?;
    let version: EventId = text.parse().ok()?;
    (version.to_string() == text).then_some(version)
}

fn trim_start(text: &[u8], is_trimmed: impl Fn(u8) -> bool) -> &[u8] {
    let begin = text.iter().position(|byte| !is_trimmed(*byte));
    &text[begin.unwrap_or(text.len())..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(list: &str, comparison: Comparison) -> Option<Versions> {
        read_list(list.as_bytes(), comparison).ok()
    }

    #[test]
    fn a_list_of_entity_tags_is_read_as_rfc_9110_has_it() {
        let these = |ids: &[u64]| {
            let ids = ids.iter().map(|ms| EventId::new(*ms, 0));
            Some(Versions::These(ids.collect()))
        };
        for (list, strong, weak) in [
            ("*", Some(Versions::Any), Some(Versions::Any)),
            (" * ", Some(Versions::Any), Some(Versions::Any)),
            (r#""1-0""#, these(&[1]), these(&[1])),
            (r#"W/"1-0""#, these(&[]), these(&[1])),
            (
                r#""1-0",W/"2-0" ,, "3-0","#,
                these(&[1, 3]),
                these(&[1, 2, 3]),
            ),
            (r#""a,""1-0""#, None, None),
            (r#""a, b", "1-0", "#, these(&[1]), these(&[1])),
            (r#""", "01-0", "foreign""#, these(&[]), these(&[])),
            ("1-0", None, None),
            (r#"w/"1-0""#, None, None),
            (r#""1-0", *"#, None, None),
            (r#""1-0"#, None, None),
            ("", None, None),
            (",", None, None),
        ] {
            assert_eq!(read(list, Comparison::Strong), strong, "{list}");
            assert_eq!(read(list, Comparison::Weak), weak, "{list}");
        }
    }
}
