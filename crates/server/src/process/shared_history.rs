//! What several nodes share beside the events of their history.

use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use sse_broadcaster::history::Unavailable;
use sse_broadcaster_postgres::Postgres;
use sse_broadcaster_redis::Redis;

/// A history of several nodes.
pub(crate) trait SharedHistory: Send + Sync {
    /// Writes the figures of this node; returns those of the nodes that have reported within `keep`.
    fn report_node<'a>(
        &'a self,
        node: &'a str,
        figures: &'a str,
        keep: Duration,
    ) -> BoxFuture<'a, Result<Vec<String>, Unavailable>>;

    /// The key of positions that is kept, or `new`, which is kept then.
    fn position_key(&self, new: [u8; 16]) -> BoxFuture<'_, Result<[u8; 16], Unavailable>>;
}

macro_rules! shared_history {
    ($($history:ty),*) => {$(
        impl SharedHistory for $history {
            fn report_node<'a>(
                &'a self,
                node: &'a str,
                figures: &'a str,
                keep: Duration,
            ) -> BoxFuture<'a, Result<Vec<String>, Unavailable>> {
                self.report_node(node, figures, keep).boxed()
            }

            fn position_key(&self, new: [u8; 16]) -> BoxFuture<'_, Result<[u8; 16], Unavailable>> {
                self.position_key(new).boxed()
            }
        }
    )*};
}

shared_history!(Redis, Postgres);
