use std::time::Duration;

/// The settings of a world.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    pub events: usize,
    pub bytes: usize,
    pub age: Option<Duration>,
    pub data_bytes: usize,
    pub shards: usize,
    /// Reads of history may be held: their results may be outdated.
    pub gated: bool,
}

impl Shape {
    pub const fn of(events: usize) -> Self {
        Self {
            events,
            bytes: 1 << 30,
            age: None,
            data_bytes: 16,
            shards: 1,
            gated: false,
        }
    }

    /// Whether the model knows exactly which events are lost, and when.
    pub(super) fn is_strict(self) -> bool {
        !self.gated && self.age.is_none()
    }
}
