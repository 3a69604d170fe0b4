use serde_json::Value;

/// What a client holds already, as far as that is known. Every stream begins with each document whole in any
/// case; but a merge patch removes only the members that it names, so the Datastar format needs to know
/// which members the client may hold.
///
/// ```
/// use sse_broadcaster_signals::ClientState;
///
/// let resumed = ClientState::default().last_event_id(Some("1769860800000-0".to_owned()));
/// assert_eq!(resumed.held, None);
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct ClientState {
    /// The last id of an earlier stream, as `Last-Event-ID` has it. One that history does not know counts
    /// as unknown; it is no error.
    pub last_event_id: Option<String>,
    /// The client's signals by name, as Datastar sends them. Datastar sends them again when a tab is shown
    /// again, but not when it reconnects: then they are as old as its first request, and `last_event_id`
    /// decides.
    pub held: Option<Value>,
}

impl ClientState {
    /// Sets the last id of an earlier stream.
    #[must_use]
    pub fn last_event_id(self, last_event_id: Option<String>) -> Self {
        Self {
            last_event_id,
            ..self
        }
    }

    /// Sets the signals that the client holds.
    #[must_use]
    pub fn held(self, held: Option<Value>) -> Self {
        Self { held, ..self }
    }
}
