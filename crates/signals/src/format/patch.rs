//! Unnamed events with `{"name":…,"patch":[…]}`, for `leptos_sse` and scripts.

use sse_broadcaster::{
    encoding::Encoder,
    event::{EventId, Fields},
    sse::{json, write_field},
};

use super::{write_block, write_deleted};
use crate::update::Update;

#[derive(Debug)]
pub(crate) struct PatchEncoder;

impl Encoder for PatchEncoder {
    fn event(&self, id: EventId, _: u64, fields: &Fields<'_>, out: &mut Vec<u8>) {
        write_block(write, id, fields, out);
    }
}

/// The fields of the block, but for the id.
pub(crate) fn write(update: &Update<'_>, out: &mut Vec<u8>) {
    let Update { name, patch, .. } = update;
    if patch.is_empty() {
        return write_deleted(name, out);
    }
    let data = format!("{{\"name\":{},\"patch\":{patch}}}", json(name));
    write_field(out, "data", &data);
}
