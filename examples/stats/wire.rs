//! Datastar's events as events of ours. The crate `datastar` words the data lines; the broadcaster
//! writes them, each with its `data:`. Reconnection times stay the broadcaster's own.

use bytes::Bytes;
use datastar::{DatastarEvent, consts::EventType};
use sse_broadcaster::{
    Event,
    event::{EventName, Invalid},
    sse::Frame,
};

/// To be published: on the wire it is what the crate writes, behind an id.
///
/// # Errors
/// The topic cannot be one.
pub fn event(topic: &str, patch: &DatastarEvent) -> Result<Event, Invalid> {
    Event::builder(patch.data.join("\n"))
        .topic(topic)
        .name(name(patch))
        .build()
}

/// As a part of a state, which has no id.
///
/// # Errors
/// The event's name cannot be one.
pub fn block(patch: &DatastarEvent) -> Result<Bytes, Invalid> {
    let name = EventName::new(name(patch))?;
    Ok(Frame::block(Some(&name), &patch.data.join("\n")))
}

fn name(patch: &DatastarEvent) -> &'static str {
    match patch.event {
        EventType::PatchElements => "datastar-patch-elements",
        EventType::PatchSignals => "datastar-patch-signals",
    }
}
