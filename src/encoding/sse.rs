//! The event's own fields as those of the event stream.

use super::Encoder;
use crate::{
    event::{EventId, Fields},
    sse::{end_block, write_data, write_field},
};

/// An event's name, reconnection time and data as the fields of a block.
#[derive(Debug, Clone, Copy)]
pub struct Sse;

impl Encoder for Sse {
    fn event(&self, id: EventId, _: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        if let Some(name) = fields.name {
            write_field(out, "event", name);
        }
        if let Some(retry) = fields.retry_ms {
            write_field(out, "retry", itoa::Buffer::new().format(retry));
        }
        write_data(out, fields.data);
        end_block(out, id);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::{
        encoding::encode,
        event::{Event, EventBuilder, Stored},
    };

    fn text(event: EventBuilder) -> String {
        let stored = Stored::new(EventId::new(5, 1), 1_000, event.build().unwrap());
        String::from_utf8(encode(&Arc::new(stored), &Sse).to_vec()).unwrap()
    }

    #[test]
    fn the_id_is_the_last_field_of_every_block() {
        let event = Event::builder("hello")
            .name("greeting")
            .retry(Duration::from_millis(700));
        assert_eq!(
            text(event),
            "event: greeting\nretry: 700\ndata: hello\nid: 5-1\n\n"
        );
    }

    #[test]
    fn every_kind_of_line_end_in_data_begins_a_data_line_and_never_a_field() {
        let event = Event::builder("a\r\nid: 9-9\revent: x\n\n\u{2028}b\n");
        assert_eq!(
            text(event),
            "data: a\ndata: id: 9-9\ndata: event: x\ndata: \ndata: \u{2028}b\ndata: \nid: 5-1\n\n"
        );
    }

    #[test]
    fn empty_data_still_fires_an_event() {
        assert_eq!(text(Event::builder("")), "data: \nid: 5-1\n\n");
    }
}
