//! The metrics of history: what it holds, and how its log does.

use std::fmt;

use super::output::Out;
use sse_broadcaster::{broadcaster::Broadcaster, history};

/// What history holds, and whether it is available.
pub(super) fn encode(out: &mut Out<'_, '_>, broadcaster: &Broadcaster) -> fmt::Result {
    let bounds = broadcaster.bounds();
    out.gauge(
        "history_events",
        "Events that history holds",
        bounds.events as u64,
    )?;
    out.gauge(
        "history_bytes",
        "What history holds, as its bound counts it",
        bounds.bytes as u64,
    )?;
    let oldest = bounds.oldest.unwrap_or(bounds.head).ms();
    out.timestamp(
        "history_oldest_timestamp",
        "When the oldest event was taken",
        oldest,
    )?;
    out.timestamp(
        "history_newest_timestamp",
        "When the newest event was taken",
        bounds.head.ms(),
    )?;
    out.gauge(
        "history_available",
        "Whether history can take a publish, as far as it knows",
        u64::from(broadcaster.history_health().is_ok()),
    )?;
    encode_log(out, broadcaster.history_stats())
}

fn encode_log(out: &mut Out<'_, '_>, stats: &history::Stats) -> fmt::Result {
    out.histogram(
        "history_commit_duration",
        "How long a commit to a log took, as durable as was asked",
        &stats.commit_latency,
    )?;
    out.counter(
        "history_commits",
        "Commits to a log; each takes what had come in meanwhile",
        stats.commits.get(),
    )?;
    out.counter(
        "history_committed_events",
        "Events in these commits",
        stats.committed.get(),
    )?;
    out.gauge(
        "history_size_bytes",
        "Bytes that a log takes where it is",
        stats.size_bytes.get(),
    )?;
    out.counter(
        "history_reconnects",
        "How often a log that was unreachable has recovered",
        stats.reconnects.get(),
    )?;
    out.gauge(
        "history_tail_lag_events",
        "Events that are known to be in a log and have not come from it yet",
        stats.tail_lag.get(),
    )
}
