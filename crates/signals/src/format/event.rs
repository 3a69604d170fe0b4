//! Events named after their signal, with `{"patch":[…]}`.

use sse_broadcaster::sse::write_field;

use super::{ChangeFormat, write_deleted};
use crate::update::Update;

#[derive(Debug)]
pub(super) struct EventFormat;

impl ChangeFormat for EventFormat {
    fn write(&self, update: &Update<'_>, out: &mut Vec<u8>) {
        let Update { name, patch, .. } = update;
        if patch.is_empty() {
            return write_deleted(name, out);
        }
        write_field(out, "event", name);
        write_field(out, "data", &format!("{{\"patch\":{patch}}}"));
    }
}
