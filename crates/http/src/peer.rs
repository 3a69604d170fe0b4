//! Who is at the other end of a stream, for lists of connections.

use std::{collections::HashSet, fmt, sync::Arc};

use http::Version;
use parking_lot::Mutex;
use sse_broadcaster::broadcaster::{HttpVersion, Peer, Transport};
use sse_broadcaster_access::Grants;

use crate::{AppState, RequestHead};

/// Most different texts that are kept. Connections with further ones are listed without.
const MAX_USER_AGENTS: usize = 1_000;
/// Most bytes of a text; the rest is cut off.
const MAX_USER_AGENT_BYTES: usize = 200;

/// The texts by which the clients of open streams identify their software, each kept once.
#[derive(Default)]
pub struct UserAgents(Mutex<HashSet<Arc<str>>>);

impl UserAgents {
    /// The text, which is ASCII, shared with those that have the same; `None` if there are too many different ones.
    fn share(&self, text: &str) -> Option<Arc<str>> {
        let text = text.get(..MAX_USER_AGENT_BYTES).unwrap_or(text);
        let mut known = self.0.lock();
        if let Some(known) = known.get(text) {
            return Some(Arc::clone(known));
        }
        if known.len() >= MAX_USER_AGENTS {
            known.retain(|text| Arc::strong_count(text) > 1);
        }
        let text: Arc<str> = text.into();
        (known.len() < MAX_USER_AGENTS).then(|| {
            known.insert(Arc::clone(&text));
            text
        })
    }
}

impl fmt::Debug for UserAgents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserAgents")
    }
}

/// The client of a request that has these grants.
pub(crate) fn peer(
    request: &impl RequestHead,
    state: &AppState,
    grants: &Grants,
    transport: Transport,
) -> Peer {
    let user_agent = request.header_text("user-agent");
    let user_agent = user_agent.filter(|text| !text.is_empty());
    // Of a connection whose proxy does not know its client, the address is unspecified.
    let address = state.client_ip(request).filter(|ip| !ip.is_unspecified());
    Peer::new(transport)
        .address(address)
        .user(grants.shared_user())
        .user_agent(user_agent.and_then(|text| state.user_agents.share(text)))
        .http(match request.version() {
            Version::HTTP_10 => HttpVersion::Http10,
            Version::HTTP_2 => HttpVersion::Http2,
            _ => HttpVersion::Http11,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_are_kept_once_and_those_that_nobody_has_make_room() {
        let agents = UserAgents::default();
        let one = agents.share("curl/8").unwrap();
        assert!(Arc::ptr_eq(&one, &agents.share("curl/8").unwrap()));
        let text = |number| format!("client {number}");
        let mut held: Vec<_> = (1..MAX_USER_AGENTS)
            .filter_map(|number| agents.share(&text(number)))
            .collect();
        assert_eq!(agents.share("another"), None);
        held.pop();
        assert!(agents.share("another").is_some());
        assert_eq!(
            agents.share(&"x".repeat(500)).unwrap().len(),
            MAX_USER_AGENT_BYTES
        );
    }
}
