use std::time::Duration;

use serde_json::Value;

use super::{heartbeat, last_event_id::last_event_id, query};
use crate::{Client, Refusal};
use sse_broadcaster::{broadcaster::EncodedStream, event::Invalid};
use sse_broadcaster_signals::{ClientState, SignalError, SignalFormat, SignalName, Signals};

/// The names of the parameters of a stream of signals, without those of the last event id.
pub const PARAMETERS: [&str; 3] = ["name", "format", "heartbeat"];

/// The parameters of a stream of signals: `GET /signals`.
///
/// ```
/// use sse_broadcaster_http::SignalsRequest;
///
/// assert!(SignalsRequest::read("name=counter&format=datastar", None).is_ok());
/// let refused = SignalsRequest::read("name=counter&format=xml", None).unwrap_err();
/// assert_eq!(refused.code(), "invalid_format");
/// ```
#[derive(Debug)]
pub struct SignalsRequest {
    names: Vec<SignalName>,
    format: SignalFormat,
    client: ClientState,
    heartbeat: Option<Duration>,
    restricted_to: Option<Client>,
}

impl SignalsRequest {
    /// Parses the query and the value of the header `Last-Event-ID`. Unknown parameters and empty values are ignored.
    ///
    /// # Errors
    /// `invalid_signal`, `invalid_format` or `invalid_heartbeat`, with what would be right.
    pub fn read(query: &str, header_id: Option<&[u8]>) -> Result<Self, Invalid> {
        let mut request = Self {
            names: Vec::new(),
            format: SignalFormat::default(),
            client: ClientState::default().last_event_id(last_event_id(query, header_id)),
            heartbeat: None,
            restricted_to: None,
        };
        let pairs = query::lossy_pairs(query.as_bytes());
        for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "name" => request.names.push(SignalName::new(&value)?),
                "format" => request.format = read_format(&value)?,
                "heartbeat" => request.heartbeat = Some(heartbeat::read(&value)?),
                "datastar" => request.client.held = serde_json::from_str::<Value>(&value).ok(),
                _ => {}
            }
        }
        Ok(request)
    }

    /// The same request by this client, for as long as it may read these signals.
    ///
    /// # Errors
    /// 401 or 403 for a signal that needs a grant which the client does not have.
    pub fn restricted_to(self, client: &Client) -> Result<Self, Refusal> {
        let mut names = self.names.iter();
        names.try_for_each(|name| client.may_read(name.topic()))?;
        Ok(Self {
            restricted_to: Some(client.clone()),
            ..self
        })
    }

    /// Subscribes to the signals.
    ///
    /// # Errors
    /// 400 `no_signals` or `too_many_signals`; 503 while no subscription is possible.
    pub fn grant(self, signals: &Signals) -> Result<EncodedStream, Refusal> {
        let restrict = |selector| match &self.restricted_to {
            Some(client) => client.restricted(selector),
            None => selector,
        };
        let (names, format) = (&self.names, self.format);
        let subscribed = signals.subscribe_restricted(names, format, self.client, restrict);
        let mut stream = subscribed.map_err(|error| match error {
            SignalError::Invalid(invalid) => Refusal::parameter(invalid),
            other => other.into(),
        })?;
        if let Some(every) = self.heartbeat {
            stream.send_heartbeat(every);
        }
        Ok(stream)
    }
}

fn read_format(text: &str) -> Result<SignalFormat, Invalid> {
    match text {
        "patch" => Ok(SignalFormat::Patch),
        "event" => Ok(SignalFormat::Event),
        "datastar" => Ok(SignalFormat::Datastar),
        _ => Err(Invalid::new(
            "invalid_format",
            "format is patch, event or datastar",
        )),
    }
}
