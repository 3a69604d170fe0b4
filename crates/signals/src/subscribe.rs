//! Streams of signals: which may be subscribed to, and how a stream is set up.

use std::sync::Arc;

use super::{
    ClientState, SignalError, SignalFormat, SignalName, Signals, snapshot::SignalSnapshots,
};
use sse_broadcaster::{
    broadcaster::EncodedStream,
    event::{Invalid, MAX_TOPICS, Selector},
};

/// Most signals on one stream.
pub const MAX_NAMES: usize = MAX_TOPICS;
/// Events that an `EventSource` dispatches on its own.
const EVENT_SOURCE_EVENTS: [&str; 3] = ["error", "message", "open"];

impl Signals {
    /// A stream of these signals, in the order of their names; [the crate's documentation](crate) says what
    /// is sent. A name that has no document yet is sent once it has one. A name that is given twice counts
    /// once. Dropping the stream unsubscribes.
    ///
    /// # Errors
    /// [`Invalid`](SignalError::Invalid): `no_signals` without a name, `too_many_signals` for more than
    /// [`MAX_NAMES`] of them, `invalid_signal` for a name that [`SignalFormat::Event`] cannot carry.
    /// [`Subscribe`](SignalError::Subscribe) while no subscription is possible.
    ///
    /// ```
    /// use futures_util::StreamExt as _;
    /// use serde_json::json;
    /// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
    /// use sse_broadcaster_signals::{ClientState, Condition, SignalFormat, SignalName, Signals};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    /// let signals = Signals::new(&broadcaster);
    /// let names: [SignalName; 2] = ["counter".parse()?, "votes".parse()?];
    /// signals.set(&names[0], &Condition::default(), json!({ "n": 1 })).await?;
    ///
    /// let mut stream = signals.subscribe(&names, SignalFormat::Patch, ClientState::default())?;
    /// let mut text = String::new();
    /// while !text.contains("counter") {
    ///     let bytes = stream.next().await.expect("a stream never ends cleanly")?;
    ///     text.push_str(std::str::from_utf8(&bytes)?);
    /// }
    /// let document = r#"{"name":"counter","patch":[{"op":"replace","path":"","value":{"n":1}}]}"#;
    /// assert!(text.contains(document));
    /// # Ok(())
    /// # }
    /// ```
    pub fn subscribe(
        &self,
        names: &[SignalName],
        format: SignalFormat,
        client: ClientState,
    ) -> Result<EncodedStream, SignalError> {
        self.subscribe_restricted(names, format, client, |selector| selector)
    }

    /// The same with the selector of the signals' topics as `restrict` returns it: with the access of a client, and
    /// until that ends. The documents are sent whole whatever it admits: the caller checks first that the client may
    /// read these signals.
    ///
    /// # Errors
    /// As [`subscribe`](Self::subscribe).
    pub fn subscribe_restricted(
        &self,
        names: &[SignalName],
        format: SignalFormat,
        client: ClientState,
        restrict: impl FnOnce(Selector) -> Selector,
    ) -> Result<EncodedStream, SignalError> {
        let names = checked(names, format)?;
        let topics: Vec<&str> = names.iter().map(SignalName::topic).collect();
        let selector = restrict(Selector::topics(&topics)?);
        let snapshots = SignalSnapshots::new(self, names.into(), format, client);
        let stream = self
            .broadcaster
            .subscribe_to_state(selector, Arc::new(snapshots))?;
        Ok(stream.encoded(format.encoder()))
    }
}

/// The names in order, each once.
fn checked(names: &[SignalName], format: SignalFormat) -> Result<Vec<SignalName>, Invalid> {
    if names.is_empty() {
        return Err(Invalid::new(
            "no_signals",
            "name at least one signal: ?name=counter",
        ));
    }
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    if names.len() > MAX_NAMES {
        let detail = format!(
            "{} signals; one stream has {MAX_NAMES} at most",
            names.len()
        );
        return Err(Invalid::new("too_many_signals", detail));
    }
    let reserved = names
        .iter()
        .find(|name| EVENT_SOURCE_EVENTS.contains(&name.as_str()));
    if let Some(name) = reserved.filter(|_| format == SignalFormat::Event) {
        let detail = format!(
            "an EventSource itself calls other events {name}; ask for this signal with format=patch"
        );
        return Err(Invalid::new("invalid_signal", detail));
    }
    Ok(names)
}
