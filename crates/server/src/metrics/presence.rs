//! Metrics of presence and of webhooks.

use std::fmt;

use super::output::Out;
use sse_broadcaster_presence::Presence;

/// What this node counts of presence, and what became of webhooks.
pub(super) fn encode(out: &mut Out<'_, '_>, presence: &Presence) -> fmt::Result {
    out.gauge(
        "presence_members",
        "Users and groups of anonymous connections on topics with presence, of this node",
        presence.local_members() as u64,
    )?;
    let Some(webhooks) = presence.webhooks() else {
        return Ok(());
    };
    let stats = webhooks.stats();
    out.gauge(
        "webhook_queue",
        "Events that wait for the application",
        stats.queued,
    )?;
    out.counter(
        "webhook_events",
        "Events that the application has accepted",
        stats.sent,
    )?;
    out.counter(
        "webhook_dropped",
        "Events that were dropped, since too many waited or their batch was refused too often",
        stats.dropped,
    )?;
    out.counter(
        "webhook_failures",
        "Requests that the application has not accepted",
        stats.failed_requests,
    )
}
