//! The limit of open files, shared out between streams and everybody else.

/// Listeners, logs, the runtime's own descriptors.
const OWN: usize = 32;

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
    use crate::open_files::UNLIMITED;

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
