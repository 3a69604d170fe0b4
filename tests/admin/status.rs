//! `GET /admin/status`.

use serde_json::Value;

use super::{get, refused, start, subscribe};
use crate::support::wait_until;

#[test]
fn the_status_has_the_figures_of_now_and_of_the_last_seconds() {
    let server = start(&["--history-events", "5000"]);
    let _stream = subscribe(&server, "/events?topic=a", "");
    let id = server.publish("a", "x");
    let mut status = Value::Null;
    wait_until("a second with an event has passed", || {
        status = get(&server, "/admin/status");
        let samples = status["samples"].as_array().unwrap();
        samples
            .iter()
            .any(|sample| sample["published"].as_f64() > Some(0.0))
    });
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    let now = &status["now"];
    assert_eq!(now["subscribers"], 1, "{status}");
    assert_eq!(now["lag_events"], 0, "{status}");
    assert!(now["memory_bytes"].as_u64() > Some(1 << 20), "{status}");
    let samples = status["samples"].as_array().unwrap();
    let of_event = samples
        .iter()
        .find(|sample| !sample["fan_out_ms"].is_null());
    let of_event = of_event.expect("a second with a fan-out");
    for name in ["published", "delivered", "sent_bytes"] {
        assert!(of_event[name].as_f64() > Some(0.0), "{name} {of_event}");
    }
    assert!(
        of_event["fan_out_ms"]["p99"].as_f64() >= Some(0.0),
        "{of_event}"
    );
    let times: Vec<_> = samples
        .iter()
        .map(|sample| sample["time"].as_u64())
        .collect();
    assert!(times.is_sorted(), "oldest first: {times:?}");

    let history = &status["history"];
    let on_disk = std::env::var("TEST_HISTORY").is_ok_and(|history| history == "disk");
    assert_eq!(history["kind"], if on_disk { "disk" } else { "memory" });
    assert_eq!(history["available"], true);
    assert_eq!(history["max_events"], 5_000);
    assert_eq!(history["head"], Value::from(id));
    assert!(history["oldest"].is_string() && history["newest"].is_string());
    let nodes = status["nodes"].as_array().unwrap();
    assert_eq!(nodes.len(), 1, "{status}");
    assert_eq!(nodes[0]["node"], status["node"]);
    assert_eq!(nodes[0]["subscribers"], 1);
}

#[test]
fn as_many_samples_are_sent_as_are_asked_for_and_no_more_than_there_are() {
    let server = start(&[]);
    wait_until("there are some", || {
        get(&server, "/admin/status")["samples"]
            .as_array()
            .unwrap()
            .len()
            > 2
    });
    for (query, count) in [("samples=0", 0), ("samples=2", 2)] {
        let status = get(&server, &format!("/admin/status?{query}"));
        assert_eq!(status["samples"].as_array().unwrap().len(), count);
    }
    for query in ["samples=301", "samples=-1", "samples=all"] {
        let path = format!("/admin/status?{query}");
        assert_eq!(refused(&server, &path), (400, "invalid_samples".to_owned()));
    }
    let misspelt = refused(&server, "/admin/status?sample=1");
    assert_eq!(misspelt, (400, "unknown_parameter".to_owned()));
}

#[test]
fn a_history_without_events_has_no_oldest_and_no_newest() {
    let server = start(&[]);
    let history = get(&server, "/admin/status")["history"].clone();
    assert_eq!(history["events"], 0, "{history}");
    assert!(
        history["oldest"].is_null() && history["newest"].is_null(),
        "{history}"
    );
    let refused_requests = || {
        let status = get(&server, "/admin/status");
        let samples = status["samples"].as_array().unwrap().clone();
        samples
            .iter()
            .any(|sample| sample["refused"].as_f64() > Some(0.0))
    };
    server.get("/nowhere");
    wait_until("the refused request is in a sample", refused_requests);
}
