//! Metrics of history and its log.

use std::fmt;

use super::output::Out;
use sse_broadcaster::{broadcaster::Broadcaster, history};

/// What history keeps, and whether it is available.
pub(super) fn encode(out: &mut Out<'_, '_>, broadcaster: &Broadcaster) -> fmt::Result {
    let bounds = broadcaster.bounds();
    out.gauge("history_events", "Events in history", bounds.events as u64)?;
    out.gauge(
        "history_bytes",
        "Bytes in history, as --history-bytes counts them",
        bounds.bytes as u64,
    )?;
    let oldest = bounds.oldest.unwrap_or(bounds.head).ms();
    out.timestamp(
        "history_oldest_timestamp",
        "When the oldest event was published",
        oldest,
    )?;
    out.timestamp(
        "history_newest_timestamp",
        "When the newest event was published",
        bounds.head.ms(),
    )?;
    out.gauge(
        "history_available",
        "Whether history is available for publishes: 1 or 0",
        u64::from(broadcaster.history_health().is_ok()),
    )?;
    encode_log(out, broadcaster.history_stats())
}

fn encode_log(out: &mut Out<'_, '_>, stats: &history::Stats) -> fmt::Result {
    out.histogram(
        "history_commit_duration",
        "Time of a commit to the log, with the sync that the settings choose",
        &stats.commit_latency,
    )?;
    out.counter(
        "history_commits",
        "Commits to the log; each has all events that arrived during the one before",
        stats.commits.get(),
    )?;
    out.counter(
        "history_committed_events",
        "Events in commits to the log",
        stats.committed.get(),
    )?;
    out.gauge(
        "history_size_bytes",
        "Bytes of the log on disk, in Redis or in PostgreSQL",
        stats.size_bytes.get(),
    )?;
    out.counter(
        "history_reconnects",
        "Times that the log was unreachable and has recovered",
        stats.reconnects.get(),
    )?;
    out.gauge(
        "history_tail_lag_events",
        "Events in the log that have not been read from it yet",
        stats.tail_lag.get(),
    )
}
