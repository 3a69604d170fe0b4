//! Divides the limit of open files between streams and other connections.

/// Files of the process: history, logs, the main thread's runtime.
const OWN: usize = 32;
/// Files of a worker's runtime.
const PER_WORKER: usize = 4;
/// Files of each worker for each listener: the listener, and the poll of its streams.
const PER_LISTENER: usize = 2;

/// How many connections there may be.
pub(crate) fn max_connections(limit: usize, workers: usize, listeners: usize) -> usize {
    let own = OWN + workers * (PER_WORKER + PER_LISTENER * listeners);
    limit.saturating_sub(own).max(1)
}

/// How many connections there may be by each kind of listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Connections {
    pub(crate) public: usize,
    /// 0 if the public listeners serve every route.
    pub(crate) admin: usize,
}

impl Connections {
    pub(crate) fn of(all: usize, has_admin: bool) -> Self {
        let reserve = (all / 8).clamp(8, 64).min(all / 2);
        let admin = if has_admin { reserve.max(1) } else { 0 };
        Self {
            public: (all - admin.min(all)).max(1),
            admin,
        }
    }

    /// How many public connections may have request bodies that arrive slowly.
    pub(crate) fn slow_uploads(self) -> usize {
        (self.public / 4).max(1)
    }
}

/// How many of these connections may be streams. The rest is for publishes and health checks.
pub(crate) fn max_streams(connections: usize) -> usize {
    let reserve = (connections / 8).clamp(16, 1_024).min(connections / 2);
    connections - reserve
}

#[cfg(test)]
mod tests {
    use super::*;
    use sse_broadcaster_cli::open_files::UNLIMITED;

    #[test]
    fn streams_leave_a_reserve_whatever_the_limit() {
        for limit in [1, 40, 64, 256, 1_024, 20_000, UNLIMITED] {
            let all = max_connections(limit, 2, 1);
            let reserved = Connections::of(all, true);
            assert!(
                8.min(all / 2).max(1) <= reserved.admin,
                "{limit}: {reserved:?}"
            );
            let connections = Connections::of(all, false).public;
            assert_eq!(connections, all);
            let streams = max_streams(connections);
            assert!(
                streams < connections || connections == 1,
                "{limit}: {streams}"
            );
        }
    }
}
