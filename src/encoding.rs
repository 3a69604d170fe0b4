//! How what is due to a subscriber is written for its client: one [`Encoder`] for each format.
//!
//! An encoder is a type without state. Each event is encoded at most once by each of them, whatever the number
//! of subscribers, and what many subscribers are due is joined once.

mod json;
mod sse;

use std::{any::Any, any::TypeId, fmt, sync::Arc};

use bytes::Bytes;

pub use self::{json::Json, sse::Sse};
use crate::{
    event::{EventId, Fields, Stored},
    sse::{Frame, Notice},
};

/// Writes events, and what a stream says about itself, for one kind of client.
///
/// Encodings are shared by the type of the encoder, so two values of one type must write the same.
pub trait Encoder: Any + fmt::Debug + Send + Sync {
    /// Writes one event behind `out`. `time_ms` is when history took it, in milliseconds since the Unix epoch.
    fn event(&self, id: EventId, time_ms: u64, fields: &Fields<'_>, out: &mut Vec<u8>);

    /// What the stream says about itself; nothing where clients of this kind are not told. As blocks of an event
    /// stream unless the encoder says otherwise.
    fn notice(&self, notice: &Notice) -> Bytes {
        Frame::notice(notice)
    }
}

/// Which encoder made an encoding.
pub(crate) fn id(encoder: &dyn Encoder) -> TypeId {
    let encoder: &dyn Any = encoder;
    encoder.type_id()
}

/// The event by this encoder: encoded when it is first asked for, and shared by all afterwards.
pub fn encode(stored: &Arc<Stored>, encoder: &dyn Encoder) -> Bytes {
    stored.encoded(id(encoder), || {
        let fields = stored.event().fields();
        let mut out = Vec::with_capacity(Frame::OVERHEAD_BYTES + fields.data.len());
        encoder.event(stored.id(), stored.time_ms(), &fields, &mut out);
        // It may be kept for long.
        out.shrink_to_fit();
        out.into()
    })
}

/// What `?format=` chooses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Format {
    /// The event's own fields as those of the event stream.
    #[default]
    Sse,
    /// Unnamed events whose data is a JSON object with every field, the topics among them.
    Json,
}

impl Format {
    #[must_use]
    pub fn encoder(self) -> &'static dyn Encoder {
        match self {
            Self::Sse => &Sse,
            Self::Json => &Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    #[test]
    fn an_event_is_encoded_once_by_each_encoder_and_shared() {
        let event = Event::builder("x").build().unwrap();
        let stored = Arc::new(Stored::new(EventId::new(5, 1), 1_000, event));
        let encoders: [&dyn Encoder; 2] = [&Sse, &Json];
        let first = encoders.map(|encoder| encode(&stored, encoder));
        let second = encoders.map(|encoder| encode(&stored, encoder));
        assert_eq!(
            first.each_ref().map(|bytes| bytes.as_ptr()),
            second.each_ref().map(|bytes| bytes.as_ptr())
        );
        assert_ne!(first[0], first[1]);
    }
}
