//! The spans of publishes.

use super::{Collector, PARENT, Span, publish, publish_in, server, trace_id, traceparent};
use crate::support::{
    socket::Socket,
    tokens::{SECRET, bearer, token},
};

const JSON: &str = "Content-Type: application/json";

#[test]
fn a_publish_with_a_traceparent_has_spans_of_request_append_and_delivery_below_it() {
    let mut collector = Collector::start();
    let server = server(&collector.url(), &[], &[]);
    let mut stream = server.subscribe("/events?topic=news");
    stream.until("connected");
    let response = publish_in(&server, &traceparent(1, true), "news");
    assert_eq!(stream.event().unwrap().data, "hello");
    let id = response.json()["id"].as_str().unwrap().to_owned();
    let request = collector.span("POST /events");
    let [append, deliver] = ["append", "deliver"].map(|name| collector.span(name));
    for span in [&request, &append, &deliver] {
        assert_eq!(span.text("traceId"), trace_id(1), "{span:?}");
        assert_eq!(
            span.attribute("messaging.system").as_deref(),
            Some("sse_broadcaster")
        );
        assert_eq!(span.attribute("messaging.message.id"), Some(id.clone()));
        let (begin, end) = span.times();
        assert!(begin <= end, "{span:?}");
    }
    assert_eq!(request.parent(), PARENT);
    assert_eq!(
        (append.parent(), deliver.parent()),
        (request.id(), request.id())
    );
    assert_eq!(
        (&request.0["kind"], &append.0["kind"]),
        (&2.into(), &1.into())
    );
    for (key, value) in [
        ("http.request.method", "POST"),
        ("http.route", "/events"),
        ("http.response.status_code", "200"),
        ("messaging.destination.name", "news"),
        ("messaging.operation.name", "publish"),
    ] {
        assert_eq!(request.attribute(key).as_deref(), Some(value), "{key}");
    }
    let history = append.attribute("sse_broadcaster.history");
    assert!(["memory", "disk"].contains(&history.as_deref().unwrap()));
    assert_eq!(
        deliver.attribute("sse_broadcaster.subscribers").as_deref(),
        Some("1")
    );
    let thread = deliver.attribute("thread.name").unwrap();
    assert!(thread.starts_with("worker-"), "{thread}");
}

#[test]
fn a_trace_begins_with_the_publish_where_the_client_sends_no_valid_traceparent() {
    let mut collector = Collector::start();
    let server = server(&collector.url(), &[], &[]);
    let twice = format!("traceparent: {0}\ntraceparent: {0}", traceparent(2, true));
    let upper = format!("traceparent: {}", traceparent(2, true).to_uppercase());
    for lines in ["X-A: 1", "traceparent: 00-no", &twice, &upper] {
        assert_eq!(publish(&server, "/events", lines, "x").status, 200);
        let request = collector.span("POST /events");
        assert_ne!(request.text("traceId"), trace_id(2), "{lines}");
        assert_eq!((request.text("traceId").len(), request.parent()), (32, ""));
        assert_eq!(collector.span("append").parent(), request.id());
    }
}

#[test]
fn a_publish_in_a_trace_that_is_not_sampled_has_no_span() {
    let mut collector = Collector::start();
    let server = server(&collector.url(), &[], &[]);
    let mut stream = server.subscribe("/events?topic=a");
    stream.until("connected");
    publish_in(&server, &traceparent(3, false), "a");
    publish_in(&server, &traceparent(4, true), "a");
    assert_eq!(stream.data(2), ["hello", "hello"]);
    let delivered = collector.span("deliver");
    assert_eq!(delivered.text("traceId"), trace_id(4));
    assert!(collector.of_trace(&trace_id(3)).is_empty());
}

#[test]
fn the_span_of_a_refused_publish_has_its_status_and_code() {
    let mut collector = Collector::start();
    let server = server(&collector.url(), &["--max-event-bytes", "8"], &[]);
    for (number, path, body, status, code) in [
        (5, "/events?topic=a*", "x", 422, "invalid_topic"),
        (6, "/events", "far too long", 413, "too_large"),
    ] {
        let lines = format!("traceparent: {}", traceparent(number, true));
        let response = publish(&server, path, &lines, body);
        assert_eq!(response.status, status, "{response:?}");
        let span = collector.span("POST /events");
        assert_eq!(span.text("traceId"), trace_id(number));
        let attribute = |key| span.attribute(key).unwrap();
        assert_eq!(attribute("http.response.status_code"), status.to_string());
        assert_eq!(attribute("error.type"), code);
        assert_eq!(
            span.0["status"],
            serde_json::json!({}),
            "it is the client's mistake"
        );
        assert!(
            collector.of_trace(&trace_id(number)).is_empty(),
            "nothing was appended"
        );
    }
}

#[test]
fn no_secret_or_content_of_a_publish_is_in_a_span() {
    let mut collector = Collector::start();
    let private = ["--subscribe-access", "private-events"];
    let keys = [("SSE_BROADCASTER_TOKEN_KEY", SECRET)];
    let server = server(&collector.url(), &private, &keys);
    let grants = serde_json::json!({ "publish": ["*"] });
    let token = token(&serde_json::json!({ "sub": "user-4711", "sse": grants }));
    let lines = format!("{}\nCookie: session=biscuit\n{JSON}", bearer(&token));
    let body = r#"{"topic":"users/0815","data":"confidential","private":true,"id":"my-own-key"}"#;
    let refused = publish(&server, "/events?token=parameter", &lines, body);
    assert_eq!(refused.status, 422, "{refused:?}");
    let response = publish(&server, "/events?event=name-of-event", &lines, body);
    assert_eq!(response.status, 200, "{response:?}");
    let mut sent = String::new();
    while !sent.contains("\"append\"") || sent.matches("POST /events").count() < 2 {
        sent.push_str(&collector.export().body);
    }
    for secret in [
        &token,
        "biscuit",
        "user-4711",
        "users/0815",
        "confidential",
        "my-own-key",
        "name-of-event",
        "parameter",
        "127.0.0.1",
    ] {
        assert!(!sent.contains(secret), "{secret}: {sent}");
    }
}

#[test]
fn every_way_to_publish_has_a_span_and_a_batch_says_how_many_events_it_has() {
    let mut collector = Collector::start();
    let server = server(
        &collector.url(),
        &[
            "--mercure",
            "--mercure-anonymous",
            "--allow-anonymous-publish",
        ],
        &[(
            "SSE_BROADCASTER_MERCURE_PUBLISHER_KEY",
            "a-key-of-at-least-32-bytes-for-hs256!",
        )],
    );
    let lines = "Content-Type: application/x-ndjson";
    let body = "{\"data\":1,\"topic\":\"a\"}\n{\"data\":2,\"topic\":\"b\"}\n";
    assert_eq!(publish(&server, "/events", lines, body).status, 200);
    let of_lines = collector.span("POST /events");
    let count = |span: &Span| span.attribute("messaging.batch.message_count");
    assert_eq!(count(&of_lines).as_deref(), Some("2"));
    assert_eq!(count(&collector.span("append")).as_deref(), Some("2"));
    assert_eq!(
        of_lines.attribute("messaging.destination.name"),
        None,
        "they have two topics"
    );
    assert_eq!(
        publish(&server, "/events", JSON, r#"[{"data":1}]"#).status,
        200
    );
    assert_eq!(count(&collector.span("POST /events")), None);
    server.get("/events/a-message");
    let of_get = collector.span("GET /events/{message}");
    assert!(!of_get.0.to_string().contains("a-message"));
    publish(&server, "/topics/room-7/finish", "X-A: 1", "");
    let finish = collector.span("POST /topics/{topic}/finish");
    assert_eq!(
        finish.attribute("messaging.destination.name").as_deref(),
        Some("room-7")
    );
    let mut socket = Socket::open(&server, "/ws?topic=a");
    socket.publish(&serde_json::json!({ "topic": "room-8", "data": 1 }));
    let message = collector.span("message /ws");
    assert_eq!(
        message.attribute("messaging.destination.name").as_deref(),
        Some("room-8")
    );
    assert_eq!(message.attribute("http.response.status_code"), None);
    publish(&server, "/.well-known/mercure", "X-A: 1", "topic=a");
    let refused = collector.span("POST /.well-known/mercure");
    assert_eq!(
        refused.attribute("http.response.status_code").as_deref(),
        Some("401")
    );
}

#[test]
fn an_event_that_names_its_own_trace_is_delivered_in_it_and_the_request_links_to_it() {
    let mut collector = Collector::start();
    let server = server(&collector.url(), &[], &[]);
    let mut stream = server.subscribe("/events?topic=a");
    stream.until("connected");
    let body = format!(
        r#"[{{"topic":"a","data":1,"traceparent":"{}"}},{{"topic":"a","data":2,"traceparent":"junk"}}]"#,
        traceparent(8, true)
    );
    let head = format!("traceparent: {}\n{JSON}", traceparent(7, true));
    assert_eq!(publish(&server, "/events", &head, &body).status, 200);
    assert_eq!(stream.data(2), ["1", "2"]);
    let request = collector.span("POST /events");
    assert_eq!(request.text("traceId"), trace_id(7));
    let links = request.0["links"].as_array().unwrap();
    assert_eq!(
        (links.len(), &links[0]["traceId"]),
        (1, &trace_id(8).into())
    );
    assert_eq!(collector.span("append").text("traceId"), trace_id(7));
    let of = |collector: &mut Collector, number| {
        collector.find(|span| span.name() == "deliver" && span.text("traceId") == trace_id(number))
    };
    assert_eq!(of(&mut collector, 8).parent(), PARENT);
    assert_eq!(of(&mut collector, 7).parent(), request.id());
}

#[test]
fn the_tracestate_of_the_client_goes_with_the_span_of_its_request_unless_it_is_too_long() {
    let mut collector = Collector::start();
    let server = server(&collector.url(), &[], &[]);
    let long = format!("a={}", "x".repeat(600));
    for (state, kept) in [
        ("vendor=1,other=2", "vendor=1,other=2"),
        (&long, ""),
        ("no", ""),
    ] {
        let lines = format!("traceparent: {}\ntracestate: {state}", traceparent(9, true));
        assert_eq!(publish(&server, "/events", &lines, "x").status, 200);
        assert_eq!(collector.span("POST /events").text("traceState"), kept);
    }
}
