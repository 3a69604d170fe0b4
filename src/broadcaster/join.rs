//! Events one behind the other, as bytes.

use crate::{
    encoding::{ContentCoding, StreamEncoding},
    history::Found,
    sse::Frame,
};

/// So many events that are due at once are compressed together, which costs less than each by itself.
const MIN_TOGETHER: usize = 8;
/// Most text that is compressed together: its client has the events of a block with its last byte.
const MAX_TEXT: usize = 64 << 10;

/// Encodes events. Those that are shared are encoded once for all who ask. What was fetched for one read is encoded
/// for it alone, and kept for nobody else.
pub(super) fn join(events: &[Found], encoding: StreamEncoding<'_>, is_past: bool) -> Vec<u8> {
    let mut out = match encoding.coding {
        Some(coding) if encoding.is_public && (is_past || events.len() >= MIN_TOGETHER) => {
            join_together(events, encoding, coding)
        }
        _ => join_blocks(events, encoding),
    };
    if out.capacity() / 4 > out.len() / 3 {
        out.shrink_to_fit();
    }
    out
}

fn join_blocks(events: &[Found], encoding: StreamEncoding<'_>) -> Vec<u8> {
    let text = events.iter().map(Found::text_bytes).sum::<usize>();
    let mut out = Vec::with_capacity(text + events.len() * Frame::OVERHEAD_BYTES);
    for found in events {
        match found {
            Found::Shared(stored) => out.extend_from_slice(&encoding.event(stored)),
            Found::Fetched(fetched) => {
                let (id, time_ms) = (fetched.id(), fetched.time_ms());
                encoding.write(id, time_ms, &fetched.fields(), &mut out);
            }
        }
    }
    out
}

/// Many events in one block, which is smaller and takes less time. A private event is a block of its own: the length of
/// a block that it shared with others would tell how much they are alike.
fn join_together(
    events: &[Found],
    encoding: StreamEncoding<'_>,
    coding: &dyn ContentCoding,
) -> Vec<u8> {
    let (mut text, mut out) = (Vec::with_capacity(MAX_TEXT), Vec::new());
    for found in events {
        let is_private = found.fields().is_private();
        if is_private || text.len() + found.text_bytes() > MAX_TEXT {
            finish_block(&mut text, coding, &mut out);
        }
        let (id, time_ms) = (found.id(), found.time_ms());
        (encoding.encoder).event(id, time_ms, &found.fields(), &mut text);
        if is_private {
            finish_block(&mut text, coding, &mut out);
        }
    }
    finish_block(&mut text, coding, &mut out);
    out
}

fn finish_block(text: &mut Vec<u8>, coding: &dyn ContentCoding, out: &mut Vec<u8>) {
    if !text.is_empty() {
        coding.block(text, out);
        text.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        encoding::{Recorder, Sse},
        event::{Event, EventId, Stored},
    };

    fn events(private: &[u64], count: u64) -> Vec<Found> {
        let event = |n| {
            let event = Event::builder(format!("e{n}"));
            let event = if private.contains(&n) {
                event.private()
            } else {
                event
            };
            let stored = Stored::new(EventId::new(n, 0), n, event.build().unwrap());
            Found::Shared(Arc::new(stored))
        };
        (1..=count).map(event).collect()
    }

    /// The numbers of the events in each text.
    fn blocks(coding: &Recorder, events: &[Found], is_past: bool) -> Vec<String> {
        blocks_of(coding, events, is_past, true)
    }

    fn blocks_of(
        coding: &Recorder,
        events: &[Found],
        is_past: bool,
        is_public: bool,
    ) -> Vec<String> {
        let encoding = StreamEncoding {
            encoder: &Sse,
            coding: Some(coding),
            is_public,
        };
        join(events, encoding, is_past);
        let texts = coding.take_texts();
        let numbers = |text: &String| text.matches("data: e").count().to_string();
        texts.iter().map(numbers).collect()
    }

    #[test]
    fn an_event_is_compressed_once_for_all_who_are_due_it_live() {
        let (coding, events) = (Recorder::default(), events(&[], 3));
        assert_eq!(blocks(&coding, &events, false), ["1", "1", "1"]);
        assert_eq!(blocks(&coding, &events[1..], false), [""; 0]);
        assert_eq!(blocks(&Recorder::default(), &events[2..], false), ["1"]);
    }

    #[test]
    fn many_events_are_compressed_together_and_private_ones_each_by_itself() {
        let events = events(&[4, 5], 9);
        for is_past in [false, true] {
            let blocks = blocks(&Recorder::default(), &events, is_past);
            assert_eq!(blocks, ["3", "1", "1", "4"], "{is_past}");
        }
    }

    #[test]
    fn events_of_a_stream_that_needs_a_grant_are_each_compressed_alone() {
        let events = events(&[], 9);
        for is_past in [false, true] {
            assert_eq!(
                blocks_of(&Recorder::default(), &events, is_past, false),
                ["1"; 9]
            );
        }
    }

    #[test]
    fn a_block_of_the_past_has_so_much_text_at_most() {
        let data = "x".repeat(MAX_TEXT / 3);
        let event = |n| {
            let event = Event::builder(format!("e{data}")).build().unwrap();
            Found::Shared(Arc::new(Stored::new(EventId::new(n, 0), n, event)))
        };
        let events: Vec<_> = (1..=5).map(event).collect();
        assert_eq!(blocks(&Recorder::default(), &events, true), ["2", "2", "1"]);
    }
}
