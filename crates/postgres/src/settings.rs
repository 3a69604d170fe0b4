//! Whether PostgreSQL is set up to keep what it acknowledges.

use super::{connection::Connection, shared::Shared};

const ASK: &str = "SELECT current_setting('fsync'), current_setting('synchronous_commit'), \
    current_setting('full_page_writes')";

/// Warns of settings under which acknowledged events are lost.
pub(super) async fn warn(shared: &Shared, connection: &Connection) {
    let Ok(row) = connection.client.query_one(ASK, &[]).await else {
        return;
    };
    for warning in warnings([row.get(0), row.get(1), row.get(2)]) {
        shared.warn_once(warning);
    }
}

fn warnings([fsync, synchronous_commit, full_page_writes]: [&str; 3]) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if fsync == "off" || full_page_writes == "off" {
        warnings.push("may be damaged by a power loss: set fsync and full_page_writes to on");
    }
    if synchronous_commit == "off" {
        warnings.push(
            "acknowledges events before they are on its disk, and loses them when it is killed: set \
             synchronous_commit to on",
        );
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_keeps_what_it_acknowledges_is_not_warned_of() {
        assert!(warnings(["on", "on", "on"]).is_empty());
        assert!(warnings(["on", "remote_apply", "on"]).is_empty());
        assert_eq!(warnings(["off", "off", "on"]).len(), 2);
    }
}
