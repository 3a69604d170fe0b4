//! What has become of a signal, as history holds it.

use sse_broadcaster::{event::Fields, internal::SIGNAL_TOPICS};

/// The patch that replaces whatever there is, up to the value.
const WHOLE: &str = r#"[{"op":"replace","path":"","value":"#;
const WHOLE_END: &str = "}]";

/// What has become of a signal, in both of the languages that clients understand. JSON text without
/// line ends, so that an event's data can hold one on each line.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Update<'a> {
    pub(crate) name: &'a str,
    /// A JSON Patch; empty when the signal is gone.
    pub(crate) patch: &'a str,
    /// The value of the signal's member in a JSON Merge Patch.
    pub(crate) merge: &'a str,
    /// The members that the merge takes away without a name, each with `null`; of the end of a signal
    /// always there. It is not sent: it is read for clients that come back.
    pub(crate) gone: Option<&'a str>,
}

impl<'a> Update<'a> {
    /// As an event holds it that [`data`](Self::data) was made for.
    pub(crate) fn of(fields: &'a Fields<'_>) -> Option<Self> {
        let topic = fields.topics.first()?;
        let mut lines = fields.text().split('\n');
        Some(Self {
            name: topic.strip_prefix(SIGNAL_TOPICS)?,
            patch: lines.next()?,
            merge: lines.next()?,
            gone: lines.next(),
        })
    }

    /// What an event's data is to be.
    pub(crate) fn data(&self) -> String {
        let mut data = format!("{}\n{}", self.patch, self.merge);
        if let Some(gone) = self.gone {
            data.push('\n');
            data.push_str(gone);
        }
        data
    }

    /// The patch that makes this document of whatever there is.
    pub(crate) fn whole(document: &str) -> String {
        [WHOLE, document, WHOLE_END].concat()
    }
}
