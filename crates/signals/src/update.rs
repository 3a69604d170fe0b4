//! The change of a signal, as history stores it.

use sse_broadcaster::event::Fields;

use crate::name::TOPIC_PREFIX;

/// The patch that replaces the whole document, up to its value.
const WHOLE: &str = r#"[{"op":"replace","path":"","value":"#;
const WHOLE_END: &str = "}]";

/// The change of a signal, in both patch formats. Each is JSON text without line ends, and takes one line of
/// the event's data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    pub(crate) name: &'a str,
    /// A JSON Patch; empty where the signal was removed.
    pub(crate) patch: &'a str,
    /// The value of the signal's member in a JSON Merge Patch.
    pub(crate) merge: &'a str,
    /// The members that the merge removes without naming them, each with `null`; always some text where the
    /// signal was removed. Clients are not sent it: it is read when a client reconnects.
    pub(crate) gone: Option<&'a str>,
}

impl<'a> Update<'a> {
    /// Reads the fields of an event whose data [`data`](Self::data) wrote.
    pub(crate) fn of(fields: &'a Fields<'_>) -> Option<Self> {
        let topic = fields.topics().first()?;
        let mut lines = fields.data().split('\n');
        Some(Self {
            name: topic.strip_prefix(TOPIC_PREFIX)?,
            patch: lines.next()?,
            merge: lines.next()?,
            gone: lines.next(),
        })
    }

    /// The data of the event that stores the change.
    pub(crate) fn data(&self) -> String {
        let mut data = format!("{}\n{}", self.patch, self.merge);
        if let Some(gone) = self.gone {
            data.push('\n');
            data.push_str(gone);
        }
        data
    }

    /// The JSON Patch that replaces the whole document.
    pub(crate) fn whole(document: &str) -> String {
        [WHOLE, document, WHOLE_END].concat()
    }
}
