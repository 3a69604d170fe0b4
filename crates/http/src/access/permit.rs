//! The permission to publish.

use std::{fmt, sync::Arc};

use sse_broadcaster::{
    event::{Event, Topic},
    internal::Shown,
};

use super::{client::Client, key_ring::Key};
use crate::Refusal;

/// The permission to publish. One that was given for a key ends when the ring no longer has that key; one by grants
/// ends with them.
#[derive(Clone, Default)]
pub struct Permit {
    basis: Basis,
    private_events: bool,
}

#[derive(Clone, Default)]
enum Basis {
    /// The rules admit the client.
    #[default]
    Rules,
    Key(Arc<Key>),
    Grants(Client),
}

impl Permit {
    pub(super) fn of_key(key: &Arc<Key>) -> Self {
        Self {
            basis: Basis::Key(Arc::clone(key)),
            private_events: false,
        }
    }

    pub(super) fn of_client(client: Client) -> Self {
        Self {
            basis: Basis::Grants(client),
            private_events: false,
        }
    }

    /// The same, and whether events may be private.
    pub(super) fn with_private_events(self, private_events: bool) -> Self {
        Self {
            private_events,
            ..self
        }
    }

    /// Checks that the permission has not ended: for uploads and sockets, which may stay open for long.
    ///
    /// # Errors
    /// 401 `wrong_key` if the key has been removed; 401 `grant_ended` if the grants have ended or were revoked.
    pub fn check(&self) -> Result<(), Refusal> {
        match &self.basis {
            Basis::Key(key) if key.is_removed() => Err(Refusal::unauthorized(
                "wrong_key",
                "the key has been removed from the server; send the request again with a valid key",
            )),
            Basis::Grants(client) if client.has_ended() => Err(Refusal::unauthorized(
                "grant_ended",
                "the token or session has ended or was revoked; get a new one, and send the request again with it",
            )
            .of_client(client.grants())),
            _ => Ok(()),
        }
    }

    /// Checks that this event may be published: every one of its topics must be granted.
    ///
    /// # Errors
    /// As [`check`](Self::check); 403 `topic_not_granted`; 422 `private_events_disabled` for a private event on a
    /// server on which nobody could read it.
    pub fn check_event(&self, event: &Event) -> Result<(), Refusal> {
        self.check()?;
        if event.is_private() && !self.private_events {
            return Err(Refusal::unprocessable(
                "private_events_disabled",
                "this server has no private events; start it with --subscribe-access private-events, or leave \
                 private out",
            ));
        }
        let Basis::Grants(client) = &self.basis else {
            return Ok(());
        };
        let mut topics = event.topics().iter().map(Topic::as_str);
        match topics.find(|topic| !client.grants().may_publish(topic)) {
            Some(topic) => Err(client.not_granted("publishing to", topic)),
            None => Ok(()),
        }
    }

    /// Whether the client may read this topic, too, where `visitor` is one without grants.
    pub(crate) fn may_read(&self, topic: &str, visitor: &Client) -> bool {
        match &self.basis {
            Basis::Grants(client) => client.may_read(topic).is_ok(),
            Basis::Key(_) => true,
            Basis::Rules => visitor.may_read(topic).is_ok(),
        }
    }

    /// Checks that this topic may be written to.
    ///
    /// # Errors
    /// 403 `topic_not_granted`.
    pub fn check_topic(&self, topic: &str) -> Result<(), Refusal> {
        match &self.basis {
            Basis::Grants(client) if !client.grants().may_publish(topic) => {
                Err(client.not_granted("writing to", topic))
            }
            _ => self.check(),
        }
    }
}

impl Permit {
    /// Checks that the client may erase the events of this topic: clients that may publish without a grant may, and
    /// clients whose grant is to publish to every topic. A user that may publish to one topic must not erase what others
    /// have published there.
    ///
    /// # Errors
    /// As [`check`](Self::check); 403 `erase_not_granted`.
    pub fn check_erasing(&self, topic: &str) -> Result<(), Refusal> {
        self.check()?;
        match &self.basis {
            Basis::Grants(client) if !client.grants().publish().is_all() => {
                let topic = Shown(topic);
                let detail = format!(
                    "erasing the events of the topic {topic} is not granted; use the publish key, a key of operators, \
                     or a token or a session that grants publishing to every topic (\"*\")"
                );
                Err(Refusal::forbidden("erase_not_granted", detail).of_client(client.grants()))
            }
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
