//! Unnamed events with `{"name":…,"patch":[…]}`, for `leptos_sse` and scripts.

use sse_broadcaster::sse::{json, write_field};

use super::{ChangeFormat, write_deleted};
use crate::update::Update;

#[derive(Debug)]
pub(super) struct PatchFormat;

impl ChangeFormat for PatchFormat {
    fn write(&self, update: &Update<'_>, out: &mut Vec<u8>) {
        let Update { name, patch, .. } = update;
        if patch.is_empty() {
            return write_deleted(name, out);
        }
        let data = format!("{{\"name\":{},\"patch\":{patch}}}", json(name));
        write_field(out, "data", &data);
    }
}
