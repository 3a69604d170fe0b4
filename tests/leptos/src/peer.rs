//! The crate's own server.

use axum::response::{IntoResponse, Sse};
use futures_util::stream;
use leptos_sse::ServerSentEvents;
use serde::Serialize;

use crate::stream::Messages;

/// What the crate sends when a signal has these values one after the other, and ends.
///
/// # Errors
/// A value that is no JSON.
pub fn messages<T>(name: &'static str, values: Vec<T>) -> Result<Messages, serde_json::Error>
where
    T: Default + Serialize + Send + 'static,
{
    let values = stream::iter(values.into_iter().map(Ok));
    let events = ServerSentEvents::new::<T>(name, values)?;
    let body = Sse::new(events).into_response().into_body();
    Ok(Messages::new(body.into_data_stream()))
}
