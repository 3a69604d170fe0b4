//! Datastar's `datastar-patch-signals`, with a JSON Merge Patch.

use sse_broadcaster::sse::{json, write_field};

use super::ChangeFormat;
use crate::update::Update;

#[derive(Debug)]
pub(super) struct DatastarFormat;

impl ChangeFormat for DatastarFormat {
    fn write(&self, update: &Update<'_>, out: &mut Vec<u8>) {
        let Update { name, merge, .. } = update;
        write_field(out, "event", "datastar-patch-signals");
        let data = format!("signals {{{}:{merge}}}", json(name));
        write_field(out, "data", &data);
    }
}
