//! A line of a request, as far as it has arrived.

/// What has arrived of a line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    #[default]
    Nothing,
    Return,
    Text,
}

impl Line {
    pub(super) fn with(self, bytes: &[u8]) -> Self {
        match (self, bytes) {
            (line, []) => line,
            (Self::Nothing, b"\r") => Self::Return,
            _ => Self::Text,
        }
    }
}
