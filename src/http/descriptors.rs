//! The limit of open files: raised at start, and shared out between streams and everybody else.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Assumed where the system knows no limit.
const UNLIMITED: usize = 1 << 20;
/// Listeners, logs, the runtime's own descriptors.
const OWN: usize = 32;

/// Raises the soft limit to the hard one and returns what holds now.
pub(super) fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::warn!(
                "the limit of open files stays at {:?}: {error}",
                limit.current
            );
        }
    }
    let now = getrlimit(Resource::Nofile).current;
    now.map_or(UNLIMITED, |limit| {
        usize::try_from(limit).unwrap_or(UNLIMITED)
    })
}

/// How many connections there may be.
pub(super) fn max_connections(limit: usize) -> usize {
    limit.saturating_sub(OWN).max(1)
}

/// How many of them may be streams, so that publishes and health checks still find a place.
pub(super) fn max_streams(limit: usize) -> usize {
    let connections = max_connections(limit);
    let reserve = (connections / 8).clamp(16, 1_024).min(connections / 2);
    connections - reserve
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_leave_a_reserve_whatever_the_limit() {
        for limit in [1, 40, 64, 256, 1_024, 20_000, UNLIMITED] {
            let (connections, streams) = (max_connections(limit), max_streams(limit));
            assert!(
                streams < connections || limit <= OWN + 1,
                "{limit}: {streams}"
            );
        }
    }
}
