//! One stream's encoder and content coding.

use std::{any::Any, sync::Arc};

use bytes::Bytes;
use memchr::memmem;

use super::{ContentCoding, Encoder};
use crate::{
    event::{EncodingKey, Stored},
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
            let fields = stored.event().fields();
            let mut text = Vec::with_capacity(Frame::OVERHEAD_BYTES + fields.data.len());
            (self.encoder).event(stored.id(), stored.time_ms(), &fields, &mut text);
            let mut out = match self.coding {
                None => text,
                Some(coding) => compress(coding, &text),
            };
            // It may be kept for long.
            out.shrink_to_fit();
            out.into()
        })
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

fn compress(coding: &dyn ContentCoding, text: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(text.len() / 2);
    coding.block(text, &mut block);
    block
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::{CodingId, Sse};

    /// Writes each text in brackets.
    #[derive(Debug)]
    struct Bracketed(CodingId);

    impl ContentCoding for Bracketed {
        fn id(&self) -> CodingId {
            self.0
        }

        fn name(&self) -> &'static str {
            "bracketed"
        }

        fn opening(&self) -> Bytes {
            Bytes::new()
        }

        fn block(&self, text: &[u8], out: &mut Vec<u8>) {
            out.extend_from_slice(&[b"[", text, b"]"].concat());
        }
    }

    #[test]
    fn each_document_of_a_state_is_compressed_by_itself() {
        let coding = Bracketed(CodingId::unique());
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
