//! What a server sends, as messages.

use axum::body::Bytes;
use eventsource_stream::{Event, Eventsource};
use futures_util::{Stream, StreamExt, stream::BoxStream};

/// What a message without a name is called: `onmessage` is given no other.
pub const UNNAMED: &str = "message";

/// A stream of messages, which ends where the connection is cut.
pub struct Messages(BoxStream<'static, Event>);

impl Messages {
    pub fn new<E: Send + 'static>(
        bytes: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    ) -> Self {
        let messages = bytes.eventsource();
        let until_cut = messages
            .take_while(|message| std::future::ready(message.is_ok()))
            .filter_map(|message| std::future::ready(message.ok()));
        Self(until_cut.boxed())
    }

    /// The next message, also one with a name.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.next().await
    }
}
