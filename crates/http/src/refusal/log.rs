//! The log line of a refusal that concerns who a client is.

use std::{error::Error as _, fmt, sync::Arc};

use http::StatusCode;
use sse_broadcaster::internal::Shown;
use sse_broadcaster_access::{AuthorizeError, Grants};

use super::Refusal;

impl Refusal {
    /// Adds whose request is refused, for the log.
    #[must_use]
    pub fn of_client(mut self, grants: &Arc<Grants>) -> Self {
        self.client = Some(Arc::clone(grants));
        self
    }

    /// The same, which is logged already.
    pub(crate) fn already_logged(mut self) -> Self {
        self.is_logged = true;
        self
    }

    /// Logs the refusal at the level info if it concerns who the client is or what it may do: 401, 403, and
    /// credentials that cannot be checked. The line has the status, the code, the reason with the topic, and as far as
    /// they are known `sub`, token id, issuer and key id; never a token. Converting a refusal into a
    /// [`Response`](crate::Response) logs it, so that this is for refusals that are sent in another way.
    pub fn log(&self) {
        if !self.is_logged && self.concerns_client() {
            log::info!("{}", LogLine(self));
        }
    }

    fn concerns_client(&self) -> bool {
        let is_of_client = matches!(
            self.status,
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
        );
        is_of_client || self.client.is_some() || self.authorize_error().is_some()
    }

    fn authorize_error(&self) -> Option<&AuthorizeError> {
        self.source()?.downcast_ref()
    }
}

/// Names that clients choose are cut, so that no line is long.
struct LogLine<'a>(&'a Refusal);

impl fmt::Display for LogLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refusal = self.0;
        write!(f, "refused: {} {}", refusal.status.as_u16(), refusal.code)?;
        if let Some(client) = &refusal.client {
            let parts = [
                ("sub", client.user()),
                ("token id", client.token_id()),
                ("issuer", client.issuer()),
                ("key id", client.key_id()),
            ];
            for (name, value) in parts {
                if let Some(value) = value {
                    write!(f, ", {name} \"{}\"", Shown(value))?;
                }
            }
        }
        match refusal.authorize_error() {
            Some(why) => write!(f, ": {why}"),
            None => write!(f, ": {}", refusal.detail),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_line_names_the_client_and_cuts_what_it_chose() {
        let named = Grants::builder().user("17").token_id("t\n");
        let named = named.issuer("login").key_id("k");
        let refusal = Refusal::forbidden("topic_not_granted", "reading the topic a is not granted");
        let line = LogLine(&refusal.of_client(&named.build())).to_string();
        let expected = "refused: 403 topic_not_granted, sub \"17\", token id \"t\\n\", issuer \"login\", key id \"k\": \
                        reading the topic a is not granted";
        assert_eq!(line, expected);
        let long = Grants::builder().user("x".repeat(100_000)).build();
        let line = LogLine(&Refusal::forbidden("a", "b").of_client(&long)).to_string();
        assert!(line.len() < 1_000, "{line}");
    }

    #[test]
    fn only_a_refusal_of_a_client_is_logged() {
        let unreachable = AuthorizeError::Unreachable("the application failed".to_owned());
        for (refusal, is_logged) in [
            (Refusal::unauthorized("grant_missing", "a"), true),
            (Refusal::forbidden("foreign_page", "a"), true),
            (Refusal::from(unreachable), true),
            (Refusal::bad_request("invalid_json", "a"), false),
            (Refusal::unavailable("overloaded", "a"), false),
        ] {
            assert_eq!(refusal.concerns_client(), is_logged, "{}", refusal.code());
        }
    }
}
