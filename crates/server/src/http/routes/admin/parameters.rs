//! The parameters of the routes of administration.

use std::net::IpAddr;

use actix_web::HttpRequest;
use sse_broadcaster::{
    broadcaster::ConnectionId, event::EventId, event::Invalid, internal::Shown, sse::Position,
};
use sse_broadcaster_actix::{AppState, Refusal};
use sse_broadcaster_http::{query, read_limit};
use sse_broadcaster_mercure::event_id as id_of_hub;

/// Most that one page lists.
const MAX_LIMIT: usize = 1_000;
const DEFAULT_LIMIT: usize = 100;

/// The parameters of one request. Of several with one name the last one counts.
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// # Errors
    /// 400 `unknown_parameter` for a name that is similar to one of these.
    pub(super) fn read(request: &HttpRequest, known: &[&str]) -> Result<Self, Refusal> {
        let pairs: Vec<_> = query::lossy_pairs(request.query_string().as_bytes()).collect();
        for (name, _) in &pairs {
            if let Some(meant) = query::misspelt(name, known) {
                let name = Shown(name);
                return Err(invalid(
                    "unknown_parameter",
                    format!("{name} is not a parameter of this route; write {meant}"),
                ));
            }
        }
        Ok(Self(pairs))
    }

    /// The value of a parameter; `None` if it is missing or empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().rev().find(|(known, _)| known == name);
        found
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    pub(super) fn owned(&self, name: &str) -> Option<String> {
        self.text(name).map(str::to_owned)
    }

    /// The parameter `limit`; `what` is counted.
    pub(super) fn limit(&self, what: &str) -> Result<usize, Refusal> {
        match self.text("limit") {
            None => Ok(DEFAULT_LIMIT),
            Some(text) => read_limit(text, MAX_LIMIT, what).map_err(Refusal::parameter),
        }
    }

    pub(super) fn address(&self) -> Result<Option<IpAddr>, Refusal> {
        let address: Option<IpAddr> = self.parsed("address", "invalid_address", |text| {
            format!("address is {text}; give an IP address, such as 192.0.2.7 or 2001:db8::7")
        })?;
        // As connections have it: a client of IPv4 on a socket of IPv6 is one of IPv4.
        Ok(address.map(|address| address.to_canonical()))
    }

    /// The connection that the page comes after.
    pub(super) fn after(&self) -> Result<Option<ConnectionId>, Refusal> {
        self.parsed("after", "invalid_after", |text| {
            format!("after is {text}; give the \"id\" of the last connection of the page before")
        })
    }

    pub(super) fn offset(&self) -> Result<usize, Refusal> {
        let offset = self.parsed("offset", "invalid_offset", |text| {
            format!("offset is {text}; give a number of topics, for instance offset=100")
        });
        Ok(offset?.unwrap_or(0))
    }

    /// How many samples, `max` at most.
    pub(super) fn samples(&self, max: usize) -> Result<usize, Refusal> {
        let why = |text: Shown<'_>| {
            format!("samples is {text}; give a number from 0 to {max}, for instance samples=60")
        };
        let samples = self.parsed("samples", "invalid_samples", why)?;
        match samples {
            Some(samples) if samples > max => Err(invalid(
                "invalid_samples",
                why(Shown(self.text("samples").unwrap_or_default())),
            )),
            samples => Ok(samples.unwrap_or(max)),
        }
    }

    /// The id of an event, also as the hub sends it, and encrypted as clients are sent it that may not read the event.
    pub(super) fn event(&self, state: &AppState) -> Result<EventId, Refusal> {
        let text = self.text("event").ok_or_else(|| {
            let why = "event is missing; give the id of one, such as 1769860800000-42";
            invalid("event_missing", why.to_owned())
        })?;
        if let Some(id) = id_of_hub(text) {
            return Ok(id);
        }
        let cipher = state.broadcaster.options().position_cipher.as_ref();
        match (text.parse(), cipher) {
            (Ok(Position::Id(id)), _) => Ok(id),
            (Ok(Position::Encrypted(encrypted)), Some(cipher)) => Ok(cipher.decrypt(encrypted)),
            _ => {
                let text = Shown(text);
                Err(invalid(
                    "invalid_position",
                    format!("event is {text}; give the id of an event, such as 1769860800000-42"),
                ))
            }
        }
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        name: &str,
        code: &'static str,
        why: impl FnOnce(Shown<'_>) -> String,
    ) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let parsed = text.parse().map(Some);
        parsed.map_err(|_| invalid(code, why(Shown(text))))
    }
}

pub(super) fn invalid(code: &'static str, detail: String) -> Refusal {
    Refusal::parameter(Invalid::new(code, detail))
}
