//! A collector that fails, and the end of the server.

use std::net::TcpListener;

use super::{Collector, publish, publish_in, server, trace_id, traceparent};
use crate::support::{free_address, wait_until};

const QUEUE: u64 = 40;

#[test]
fn a_collector_that_hangs_delays_no_publish_and_what_is_beyond_the_queue_is_dropped_and_reported_once()
 {
    // It accepts connections, and reads nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let queue = QUEUE.to_string();
    let mut server = server(&url, &[], &[("OTEL_BSP_MAX_QUEUE_SIZE", &queue)]);
    let mut count = 0;
    while server.metric("trace_spans_dropped_total") < 2 * QUEUE {
        assert_eq!(publish(&server, "/events", "X-A: 1", "x").status, 200);
        count += 1;
    }
    // Each has two spans; one batch is being sent, and the queue is full.
    assert!(count >= QUEUE, "{count}");
    assert_eq!(server.metric("trace_spans_total"), 0);
    server.signal("-TERM");
    assert!(server.wait().success());
    let log = server.log();
    let reports = log
        .matches("spans wait to be sent, and further ones are dropped")
        .count();
    assert_eq!(reports, 1, "{log}");
    assert!(
        log.contains("traces: the last spans were not sent"),
        "{log}"
    );
}

#[test]
fn a_collector_that_is_down_stops_nothing_and_is_reported_once() {
    let unused = free_address();
    let mut server = server(&format!("http://{unused}"), &[], &[]);
    publish_in(&server, &traceparent(1, true), "a");
    wait_until("the batch is dropped", || {
        server.metric("trace_spans_dropped_total") >= 2
    });
    publish_in(&server, &traceparent(2, true), "a");
    server.signal("-TERM");
    assert!(server.wait().success());
    let log = server.log();
    assert_eq!(log.matches("does not accept spans").count(), 1, "{log}");
}

#[test]
fn a_batch_that_the_collector_cannot_take_now_is_sent_again_and_one_that_it_refuses_is_not() {
    let mut collector = Collector::responding_with(&[503, 200, 400]);
    let mut server = server(&collector.url(), &[], &[]);
    publish(
        &server,
        "/events?topic=a*",
        &format!("traceparent: {}", traceparent(1, true)),
        "x",
    );
    let [first, again] = [(); 2].map(|()| collector.export());
    assert_eq!(first.body, again.body);
    wait_until("the span is sent", || {
        server.metric("trace_spans_total") == 1
    });
    publish(
        &server,
        "/events?topic=a*",
        &format!("traceparent: {}", traceparent(2, true)),
        "x",
    );
    wait_until("the span is dropped", || {
        server.metric("trace_spans_dropped_total") == 1
    });
    let line = server.wait_for_log("does not accept spans");
    assert!(line.contains("it responded with 400"), "{line}");
    publish(
        &server,
        "/events?topic=a*",
        &format!("traceparent: {}", traceparent(3, true)),
        "x",
    );
    server.wait_for_log("accepts spans again");
    collector.find(|span| span.text("traceId") == trace_id(3));
}

#[test]
fn spans_that_wait_are_sent_when_the_server_ends() {
    let mut collector = Collector::start();
    let variables = [("OTEL_BSP_SCHEDULE_DELAY", "3600000")];
    let mut server = server(&collector.url(), &[], &variables);
    publish_in(&server, &traceparent(1, true), "a");
    assert_eq!(server.metric("trace_spans_total"), 0);
    server.signal("-TERM");
    assert!(server.wait().success());
    assert_eq!(collector.span("POST /events").text("traceId"), trace_id(1));
}
