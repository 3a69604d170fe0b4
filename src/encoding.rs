//! Writes what a subscriber is due for its client: one [`Encoder`] for each format, and a [`ContentCoding`] where it is
//! compressed.
//!
//! An encoder is a type without state. Each event is encoded at most once by each of them, whatever the number
//! of subscribers, and what many subscribers are due is joined once.

mod coding;
mod json;
mod sse;
mod stream_encoding;

use std::{any::Any, fmt, sync::Arc};

use bytes::Bytes;

#[cfg(test)]
pub(crate) use self::coding::testing::Recorder;
pub(crate) use self::stream_encoding::StreamEncoding;
pub use self::{
    coding::{CodingId, ContentCoding},
    json::{Json, TracedJson},
    sse::Sse,
};
use crate::{
    event::{EventId, Fields, Stored},
    sse::{Frame, Notice},
};

/// Writes events and notices of a stream for one kind of client. Encodings are shared by the type of the encoder, so
/// two values of one type must write the same.
///
/// # Examples
/// Events as lines of text, without notices:
/// ```
/// use bytes::Bytes;
/// use sse_broadcaster::{
///     Broadcaster, Event, EventId, Memory, Options, Selector, Start,
///     encoding::Encoder, event::Fields, history::Retention, sse::Notice,
/// };
///
/// #[derive(Debug)]
/// struct Lines;
///
/// impl Encoder for Lines {
///     fn event(&self, id: EventId, _time_ms: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
///         let line = format!("{id} {}\n", fields.data().escape_debug());
///         out.extend_from_slice(line.as_bytes());
///     }
///
///     fn notice(&self, _: &Notice) -> Bytes {
///         Bytes::new()
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// use futures_util::StreamExt;
///
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let mut lines = broadcaster.subscribe(Selector::all(), Start::Live)?.encoded(&Lines);
/// let id = broadcaster.publish_one(Event::builder("hello").build()?).await?;
/// assert_eq!(lines.next().await, Some(Ok(format!("{id} hello\n").into())));
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub trait Encoder: Any + fmt::Debug + Send + Sync {
    /// Appends one event to `out`. `time_ms` is when history appended it, in milliseconds since the Unix epoch.
    fn event(&self, id: EventId, time_ms: u64, fields: &Fields<'_>, out: &mut Vec<u8>);

    /// A notice for the client; empty where clients of this kind have no use for it. By default the blocks of an event
    /// stream.
    fn notice(&self, notice: &Notice) -> Bytes {
        Frame::notice(notice)
    }
}

/// The event by this encoder: encoded at the first call, and shared by later ones.
pub fn encode(stored: &Arc<Stored>, encoder: &dyn Encoder) -> Bytes {
    StreamEncoding::plain(encoder).event(stored)
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
    /// The encoder of this format.
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
