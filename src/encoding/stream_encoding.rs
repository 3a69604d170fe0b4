//! One stream's encoder and content coding.

use std::{any::Any, sync::Arc};

use bytes::Bytes;

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
}

impl<'a> StreamEncoding<'a> {
    pub(crate) fn plain(encoder: &'a dyn Encoder) -> Self {
        let coding = None;
        Self { encoder, coding }
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
        self.text(self.encoder.notice(notice))
    }

    /// Text that is no event of history.
    pub(crate) fn text(self, text: Bytes) -> Bytes {
        match self.coding {
            Some(coding) if !text.is_empty() => coding.shared_block(&text),
            _ => text,
        }
    }
}

fn compress(coding: &dyn ContentCoding, text: &[u8]) -> Vec<u8> {
    let mut block = Vec::with_capacity(text.len() / 2);
    coding.block(text, &mut block);
    block
}
