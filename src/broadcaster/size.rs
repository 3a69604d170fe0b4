//! How much a stream takes in one step, and how much a publish needs.

use crate::history::Limit;

/// How much a stream takes in one step, live or from history: a reader that stops reading pins no
/// more than this of what others have long had.
pub(super) const CHUNK: Limit = Limit {
    events: if cfg!(all(test, shuttle)) { 2 } else { 256 },
    bytes: 128 << 10,
};
/// A number of events and the bytes that they take in the window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}
