use std::time::Duration;

use serde_json::Value;

use crate::{heartbeat, query, stream_request::last_event_id};
use sse_broadcaster::{
    broadcaster::Subscription,
    event::{Invalid, SignalForm},
};
use sse_broadcaster_signals::{Brought, SignalError, SignalName, Signals};

/// The parameters of a stream of signals, but for those that it shares with other streams.
pub const PARAMETERS: [&str; 3] = ["name", "format", "heartbeat"];

/// What a request asks of a stream of signals.
#[derive(Debug)]
pub struct SignalsWish {
    names: Vec<SignalName>,
    form: SignalForm,
    brought: Brought,
    heartbeat: Option<Duration>,
}

impl SignalsWish {
    /// From the query, and the header `Last-Event-ID` where there is one.
    ///
    /// # Errors
    /// The parameter that cannot be.
    pub fn read(query: &str, header_id: Option<&[u8]>) -> Result<Self, Invalid> {
        let mut wish = Self {
            names: Vec::new(),
            form: SignalForm::default(),
            brought: Brought {
                last_event_id: last_event_id(query, header_id),
                held: None,
            },
            heartbeat: None,
        };
        let pairs = query::lossy_pairs(query.as_bytes());
        for (name, value) in pairs.filter(|(_, value)| !value.is_empty()) {
            match name.as_str() {
                "name" => wish.names.push(SignalName::new(&value)?),
                "format" => wish.form = read_form(&value)?,
                "heartbeat" => wish.heartbeat = Some(heartbeat::read(&value)?),
                "datastar" => wish.brought.held = serde_json::from_str::<Value>(&value).ok(),
                _ => {}
            }
        }
        Ok(wish)
    }

    /// # Errors
    /// See [`Signals::subscribe`].
    pub fn grant(self, signals: &Signals) -> Result<Subscription, SignalError> {
        let mut subscription = signals.subscribe(&self.names, self.form, self.brought)?;
        if let Some(every) = self.heartbeat {
            subscription.send_heartbeat(every);
        }
        Ok(subscription)
    }
}

fn read_form(text: &str) -> Result<SignalForm, Invalid> {
    match text {
        "patch" => Ok(SignalForm::Patch),
        "event" => Ok(SignalForm::Event),
        "datastar" => Ok(SignalForm::Datastar),
        _ => Err(Invalid::new(
            "invalid_format",
            "format is patch, event or datastar",
        )),
    }
}
