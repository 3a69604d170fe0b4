//! The nodes of a log, each with some figures that it reports from time to time.

use std::time::Duration;

use ::redis::Value;

use super::{
    entry::{self, Unexpected},
    read::ask,
    script,
    shared::Shared,
};
use sse_broadcaster::{history::Unavailable, internal::whole_ms};

/// Most nodes whose figures are returned, those that reported last.
const MAX_NODES: usize = 200;

/// Writes the figures of this node, and returns those of all nodes that have reported within `keep`.
pub(super) async fn report(
    shared: &Shared,
    node: &str,
    figures: &str,
    keep: Duration,
) -> Result<Vec<String>, Unavailable> {
    let keys = [shared.keys.nodes.as_str(), shared.keys.figures.as_str()];
    let mut call = script::NODES.call(&keys);
    let keep_ms = whole_ms(keep);
    call.arg(node).arg(figures).arg(keep_ms).arg(MAX_NODES);
    let reply = ask(shared, &call).await?;
    texts(reply).map_err(|error| shared.unavailable_by(error))
}

fn texts(reply: Value) -> Result<Vec<String>, Unexpected> {
    let values = entry::list(reply)?.into_iter();
    values
        .filter_map(entry::optional)
        .map(entry::text)
        .collect()
}
