//! Finds the end of a request's head.

use super::line::Line;
use crate::http::connection::upgrades::Upgrades;

/// Finds the blank line that ends a request's head.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) has_begun: bool,
    /// Whether a line other than the blank ones that may precede the head has arrived.
    has_text: bool,
    line: Line,
    pub(super) upgrades: Upgrades,
}

impl Head {
    /// Where the head ends in these bytes, if it does.
    pub(super) fn end_in(&mut self, bytes: &[u8]) -> Option<usize> {
        self.has_begun |= !bytes.is_empty();
        let mut begin = 0;
        for end in memchr::memchr_iter(b'\n', bytes) {
            let line = std::mem::take(&mut self.line).with(&bytes[begin..end]);
            begin = end + 1;
            if line == Line::Text {
                self.has_text = true;
            } else if self.has_text {
                return Some(begin);
            }
        }
        self.line = self.line.with(&bytes[begin..]);
        None
    }
}
