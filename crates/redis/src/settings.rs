//! Whether Redis is set up to keep what it acknowledges.

use ::redis::aio::MultiplexedConnection;

use super::{connection::line_of, shared::Shared};

/// Warns of settings under which acknowledged events are lost. Who may not ask is not warned.
pub(super) async fn warn(shared: &Shared, connection: &mut MultiplexedConnection) {
    let command = ::redis::cmd("INFO");
    let Ok(info) = command.query_async::<String>(connection).await else {
        return;
    };
    for warning in warnings(&info) {
        shared.warn_once(warning);
    }
}

fn warnings(info: &str) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if line_of(info, "aof_enabled") == Some("0") {
        warnings.push(
            "keeps no append-only file: when it ends, what it had acknowledged since its last snapshot is \
             lost; set appendonly yes",
        );
    }
    if line_of(info, "maxmemory_policy").is_some_and(|policy| policy != "noeviction") {
        warnings.push("may evict the log when its memory is full: set maxmemory-policy noeviction");
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_keeps_what_it_acknowledges_is_not_warned_of() {
        let good = "# Persistence\r\naof_enabled:1\r\nmaxmemory_policy:noeviction\r\n";
        assert!(warnings(good).is_empty());
        assert_eq!(
            warnings("aof_enabled:0\r\nmaxmemory_policy:allkeys-lru\r\n").len(),
            2
        );
        assert!(warnings("").is_empty());
    }
}
