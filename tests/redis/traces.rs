//! Traces of events that several nodes deliver.

use crate::{
    redis::nodes::node,
    support::redis::RedisServer,
    traces::{PARENT, collector::Collector, publish_in, server, traceparent},
};

#[test]
fn a_node_delivers_an_event_of_another_node_in_the_trace_that_it_was_published_in() {
    let redis = RedisServer::start();
    let publisher = node(redis.address(), &[]);
    let mut collector = Collector::start();
    let url = format!("redis://{}", redis.address());
    let other = server(&collector.url(), &["--redis-url", &url], &[]);
    let mut stream = other.subscribe("/events?topic=a&traceparent=true");
    stream.until("connected");
    let sent = traceparent(1, true);
    publish_in(&publisher, &sent, "a");
    let event: serde_json::Value = serde_json::from_str(&stream.event().unwrap().data).unwrap();
    assert_eq!(event["traceparent"], sent);
    let delivered = collector.span("deliver");
    assert_eq!(delivered.parent(), PARENT);
    assert_eq!(
        delivered.attribute("messaging.message.id").as_deref(),
        event["id"].as_str()
    );
}
