//! One stream's encoder and content coding.

use std::{any::Any, sync::Arc};

use bytes::Bytes;
use memchr::memmem;

use super::{ContentCoding, Encoder};
use crate::{
    event::{EncodingKey, EventId, Fields, Stored},
    sse::{Frame, Notice},
};

/// How the items of a stream become bytes: in which format, and by which content coding.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamEncoding<'a> {
    pub(crate) encoder: &'a dyn Encoder,
    pub(crate) coding: Option<&'a dyn ContentCoding>,
    /// Whether events may be compressed together: all are for everybody.
    pub(crate) is_public: bool,
}

impl<'a> StreamEncoding<'a> {
    pub(crate) fn plain(encoder: &'a dyn Encoder) -> Self {
        Self {
            encoder,
            coding: None,
            is_public: true,
        }
    }

    pub(crate) fn key(self) -> EncodingKey {
        let encoder: &dyn Any = self.encoder;
        EncodingKey {
            encoder: encoder.type_id(),
            coding: self.coding.map_or(0, |coding| coding.id().get()),
        }
    }

    /// The event: encoded at the first call, and shared by later ones.
    pub(crate) fn event(self, stored: &Arc<Stored>) -> Bytes {
        stored.encoded(self.key(), || {
            let mut out = Vec::new();
            let fields = stored.event().fields();
            self.write(stored.id(), stored.time_ms(), &fields, &mut out);
            // It may be kept for long.
            out.shrink_to_fit();
            out.into()
        })
    }

    /// Appends an event, which is compressed by itself.
    pub(crate) fn write(self, id: EventId, time_ms: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        let room = Frame::OVERHEAD_BYTES + fields.data.len();
        match self.coding {
            None => {
                out.reserve(room);
                self.encoder.event(id, time_ms, fields, out);
            }
            Some(coding) => {
                let mut text = Vec::with_capacity(room);
                self.encoder.event(id, time_ms, fields, &mut text);
                coding.block(&text, out);
            }
        }
    }

    /// A notice; empty where clients have no use for it.
    pub(crate) fn notice(self, notice: &Notice) -> Bytes {
        let text = self.encoder.notice(notice);
        match self.coding {
            Some(coding) if !text.is_empty() => coding.shared_block(&text),
            _ => text,
        }
    }

    /// A piece of a state. Each block of the event stream in it is compressed by itself: one may be secret, and another
    /// by somebody who wants to know it.
    pub(crate) fn state(self, text: &Bytes) -> Bytes {
        const BLOCK_END: &[u8] = b"\n\n";
        let Some(coding) = self.coding else {
            return text.clone();
        };
        let (mut rest, mut out) = (&text[..], Vec::new());
        while !rest.is_empty() {
            let end = memmem::find(rest, BLOCK_END).map_or(rest.len(), |at| at + BLOCK_END.len());
            let (block, behind) = rest.split_at(end);
            out.extend_from_slice(&coding.shared_block(block));
            rest = behind;
        }
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{Recorder, Sse};

    #[test]
    fn each_document_of_a_state_is_compressed_by_itself() {
        let coding = Recorder::default();
        let encoding = StreamEncoding {
            coding: Some(&coding),
            ..StreamEncoding::plain(&Sse)
        };
        let state = |text: &'static str| encoding.state(&Bytes::from_static(text.as_bytes()));
        assert_eq!(
            state("data: a\n\ndata: b\n\ndata: c"),
            "[data: a\n\n][data: b\n\n][data: c]"
        );
        assert_eq!(state("a piece"), "[a piece]");
        assert_eq!(state(""), "");
    }
}
