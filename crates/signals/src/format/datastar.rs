//! Datastar's `datastar-patch-signals`, with a JSON Merge Patch.

use sse_broadcaster::{
    encoding::Encoder,
    event::{EventId, Fields},
    sse::{json, write_field},
};

use super::write_block;
use crate::update::Update;

/// Datastar's own name of the event.
const PATCH_SIGNALS: &str = "datastar-patch-signals";

#[derive(Debug)]
pub(crate) struct DatastarEncoder;

impl Encoder for DatastarEncoder {
    fn event(&self, id: EventId, _: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        write_block(write, id, fields, out);
    }
}

/// The fields of the block, but for the id.
pub(crate) fn write(update: &Update<'_>, out: &mut Vec<u8>) {
    let Update { name, merge, .. } = update;
    write_field(out, "event", PATCH_SIGNALS);
    let data = format!("signals {{{}:{merge}}}", json(name));
    write_field(out, "data", &data);
}
