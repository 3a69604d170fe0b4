//! Events as Mercure's clients get them.

use bytes::Bytes;
use sse_broadcaster::{
    EventId,
    encoding::Encoder,
    event::Fields,
    sse::{Notice, write_data, write_field},
};

use crate::id;

/// A comment: the first line of a stream, so that its head is sent at once, and its heartbeat.
pub(crate) const COMMENT: &[u8] = b":\n";

/// The fields of an event in the order that Mercure prescribes. Notices of the stream are not sent.
#[derive(Debug)]
pub(crate) struct Mercure;

impl Encoder for Mercure {
    fn event(&self, position: EventId, _: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        if let Some(name) = fields.name() {
            write_field(out, "event", name);
        }
        let retry = fields.retry().filter(|retry| !retry.is_zero());
        if let Some(retry) = retry {
            write_field(out, "retry", &retry.as_millis().to_string());
        }
        match fields.alias() {
            Some(alias) => write_field(out, "id", alias),
            None => write_field(out, "id", &id::encode(position)),
        }
        write_data(out, fields.data().as_bytes());
        out.push(b'\n');
    }

    fn notice(&self, notice: &Notice) -> Bytes {
        match notice {
            // The first of each stream.
            Notice::Retry(_) | Notice::Heartbeat(_) => Bytes::from_static(COMMENT),
            _ => Bytes::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sse_broadcaster::Event;

    use super::*;

    fn text(event: &Event) -> String {
        let mut out = Vec::new();
        Mercure.event(EventId::new(5, 1), 1, &event.fields(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_fields_have_the_order_type_retry_id_data() {
        let event = Event::builder("a\r\nb\rc\nd")
            .name("greeting")
            .alias("urn:x")
            .retry(Duration::from_millis(700));
        assert_eq!(
            text(&event.build().unwrap()),
            "event: greeting\nretry: 700\nid: urn:x\ndata: a\ndata: b\ndata: c\ndata: d\n\n"
        );
    }

    #[test]
    fn an_event_without_an_id_of_its_publisher_has_its_position_as_a_uuid_and_empty_data_is_one_line()
     {
        let event = Event::builder("").retry(Duration::ZERO).build().unwrap();
        let id = id::encode(EventId::new(5, 1));
        assert_eq!(text(&event), format!("id: {id}\ndata: \n\n"));
    }
}
