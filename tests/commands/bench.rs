//! `bench`, against the real server, and against another kind of server that can fail.

mod foreign_events;
mod other_servers;
mod real;
mod relay;

use serde_json::Value;

use crate::commands::running::{Ended, run};

/// Twenty events, and few subscribers.
const SHORT: [&str; 6] = ["--subscribers", "7", "--rate", "100", "--duration", "200ms"];

fn arguments<'a>(url: &'a str, args: &[&'a str]) -> Vec<&'a str> {
    [&["bench", "--url", url], args].concat()
}

fn bench(url: &str, args: &[&str]) -> Ended {
    run(&arguments(url, args))
}

/// What `--json` prints, and with which exit code and complaints.
fn report(url: &str, args: &[&str]) -> (Value, Ended) {
    let ended = bench(url, &[args, &["--json"]].concat());
    assert_eq!(ended.output.len(), 1, "{ended:?}");
    (serde_json::from_str(&ended.output[0]).unwrap(), ended)
}

fn number(report: &Value, pointer: &str) -> u64 {
    let value = report.pointer(pointer).and_then(Value::as_u64);
    value.unwrap_or_else(|| panic!("no {pointer} in {report}"))
}

/// Whether every published event has reached every subscriber of its topic, once and in order.
fn assert_nothing_is_wrong(report: &Value) {
    let deliveries = &report["deliveries"];
    assert!(number(report, "/deliveries/delivered") > 0, "{report}");
    assert_eq!(deliveries["delivered"], deliveries["expected"], "{report}");
    for wrong in [
        "missing",
        "duplicated",
        "out_of_order",
        "unasked",
        "unacknowledged",
    ] {
        assert_eq!(deliveries[wrong], 0, "{wrong}: {report}");
    }
}
