/// A number of events and the bytes that they take in the window.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Size {
    pub(crate) events: u64,
    pub(crate) bytes: u64,
}
