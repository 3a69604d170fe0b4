use std::time::Duration;

use bytes::Bytes;
use h2::{Reason, RecvStream};
use tokio::time::sleep;

use super::{
    Client, Stream, body_of,
    raw::{END_HEADERS, END_STREAM, HEADERS, REFUSED_STREAM, RST_STREAM, Raw, frame, get},
    run, start,
};
use crate::support::{Server, wait_until};

#[test]
fn streams_of_one_connection_get_every_event_in_order_and_each_ends_by_itself() {
    let server = start(&["--allow-anonymous-publish"]);
    run(async {
        let client = Client::connect(&server).await;
        let mut streams = Vec::new();
        for number in 0..100 {
            let path = format!("/events?topic=all&topic=t{number}");
            streams.push(client.stream(&path).await);
        }
        for stream in &mut streams {
            stream.until("connected").await;
        }
        for event in 0..20 {
            client
                .post("/events?topic=all", &event.to_string())
                .await
                .unwrap();
            client.post("/events?topic=t7", "for seven").await.unwrap();
        }
        let all: Vec<_> = (0..20).map(|event| event.to_string()).collect();
        for (number, stream) in streams.iter_mut().enumerate() {
            stream.until("data: 19\n").await;
            let data: Vec<_> = stream
                .data()
                .into_iter()
                .filter(|data| *data != "for seven")
                .collect();
            assert_eq!(data, all, "{number}");
        }
        streams.truncate(30);
        wait(|| async { metric(&client, "subscribers").await == 30 }).await;
        drop(client);
        drop(streams);
    });
    wait_until("all are gone", || server.metric("subscribers") == 0);
}

async fn wait<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    while !condition().await {
        sleep(Duration::from_millis(5)).await;
    }
}

async fn metric(client: &Client, name: &str) -> u64 {
    let text = body_of(client.get("/metrics").await.unwrap())
        .await
        .unwrap();
    let name = format!("sse_broadcaster_{name} ");
    let line = text.lines().find_map(|line| line.strip_prefix(&name));
    line.expect("the metric").parse().unwrap()
}

/// Reads without opening the window; returns why the stream is reset.
async fn reset(body: &mut RecvStream) -> Option<Reason> {
    loop {
        match body.data().await? {
            Ok(_) => {}
            Err(error) => return error.reason(),
        }
    }
}

#[test]
fn a_stream_resumes_after_its_last_event() {
    let server = start(&["--allow-anonymous-publish"]);
    let ids = server.publish_all("a", (0..5).map(|number| number.to_string()));
    run(async {
        let client = Client::connect(&server).await;
        let request = client
            .request("GET", "/events?topic=a")
            .header("last-event-id", &ids[2]);
        let body = client.send(request).await.unwrap().into_body();
        let mut stream = Stream {
            body,
            text: String::new(),
        };
        stream.until("data: 4\n").await;
        assert_eq!(stream.data(), ["3", "4"]);
        assert!(!stream.text.contains("event: gap"));
    });
}

#[test]
fn streams_count_as_subscribers_however_few_connections_they_share() {
    let server = start(&[
        "--max-subscribers",
        "3",
        "--max-subscribers-per-address",
        "2",
    ]);
    run(async {
        let client = Client::connect(&server).await;
        let _kept = [
            client.stream("/events").await,
            client.stream("/events").await,
        ];
        let refused = client.get("/events").await.unwrap();
        assert_eq!(refused.status(), 503);
        assert!(
            body_of(refused)
                .await
                .unwrap()
                .contains("too_many_subscribers")
        );
    });
}

#[test]
fn a_stream_that_cannot_be_opened_gets_a_time_to_reconnect_and_is_reset() {
    let server = start(&["--max-subscribers", "1"]);
    run(async {
        let client = Client::connect(&server).await;
        let _kept = client.stream("/events").await;
        let request = client
            .request("GET", "/events")
            .header("accept", "text/event-stream");
        let body = client.send(request).await.unwrap().into_body();
        let mut stream = Stream {
            body,
            text: String::new(),
        };
        assert_eq!(
            stream.end().await.and_then(|error| error.reason()),
            Some(Reason::INTERNAL_ERROR)
        );
        assert!(stream.text.starts_with("retry: "), "{}", stream.text);
    });
}

#[test]
fn more_streams_than_the_limit_are_refused_and_the_others_stay_open() {
    let server = start(&["--http2-max-streams", "2"]);
    let mut raw = Raw::open(&server);
    for stream in [1, 3, 5] {
        let request = frame(HEADERS, END_HEADERS | END_STREAM, stream, &get("/events"));
        raw.send(&request).unwrap();
    }
    let refused = raw.until(RST_STREAM);
    assert_eq!((refused.stream, refused.code()), (5, REFUSED_STREAM));
    wait_until("two are open", || server.metric("subscribers") == 2);
}

#[test]
fn a_client_that_closes_a_window_holds_up_neither_other_streams_nor_its_own_events() {
    let server = start(&["--allow-anonymous-publish"]);
    run(async {
        let client = Client::with_window(&server, 20_000).await;
        let mut closed = client.get("/events?topic=a").await.unwrap().into_body();
        let mut open = client.stream("/events?topic=a").await;
        open.until("connected").await;
        for number in 0..40 {
            let text = format!("{number} {}", "x".repeat(10_000));
            client.post("/events?topic=a", &text).await.unwrap();
        }
        open.until("data: 39 ").await;
        let mut text = String::new();
        while !text.contains("data: 39 ") {
            let data = closed.data().await.unwrap().unwrap();
            text.push_str(std::str::from_utf8(&data).unwrap());
            closed.flow_control().release_capacity(data.len()).unwrap();
        }
        let stream = Stream { body: closed, text };
        let numbers: Vec<_> = stream
            .data()
            .into_iter()
            .map(|data| data.split(' ').next().unwrap().to_owned())
            .collect();
        let all: Vec<_> = (0..40).map(|number| number.to_string()).collect();
        assert_eq!(numbers, all);
    });
}

#[test]
fn a_client_that_leaves_its_window_closed_is_reset_as_stalled() {
    let server = start(&["--allow-anonymous-publish", "--stall-timeout", "100ms"]);
    run(async {
        let client = Client::with_window(&server, 1_000).await;
        let mut closed = client.get("/events?topic=a").await.unwrap().into_body();
        let mut open = client.stream("/events?topic=b").await;
        client
            .post("/events?topic=a", &"x".repeat(5_000))
            .await
            .unwrap();
        assert_eq!(reset(&mut closed).await, Some(Reason::INTERNAL_ERROR));
        assert_eq!(metric(&client, "ended_total{reason=\"stalled\"}").await, 1);
        client.post("/events?topic=b", "still there").await.unwrap();
        open.until("still there").await;
    });
}

#[test]
fn a_drain_sends_each_stream_a_time_to_reconnect_then_resets_it_and_closes_the_connection() {
    let mut server = start(&["--allow-anonymous-publish"]);
    run(async {
        let client = Client::connect(&server).await;
        let mut streams = Vec::new();
        for _ in 0..20 {
            let mut stream = client.stream("/events?topic=a").await;
            stream.until("connected").await;
            streams.push(stream);
        }
        client.post("/events?topic=a", "last").await.unwrap();
        server.signal("-TERM");
        for stream in &mut streams {
            let end = stream.end().await.expect("an error");
            assert_eq!(end.reason(), Some(Reason::INTERNAL_ERROR), "{end:?}");
            assert_eq!(stream.data(), ["last"]);
            let farewell = stream.text.rsplit("\n\n").nth(1).unwrap();
            assert!(
                farewell.starts_with("retry: ") && farewell.contains("event: position"),
                "{farewell}"
            );
        }
        let later = client.get("/events").await;
        assert!(later.is_err(), "the connection is closed: {later:?}");
    });
    assert!(server.wait().success());
}

#[test]
fn an_operator_disconnects_a_stream_whose_window_is_closed() {
    let key = "0123456789abcdef";
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, key).unwrap();
    let server = start(&[
        "--allow-anonymous-publish",
        "--admin-key-file",
        file.to_str().unwrap(),
    ]);
    run(async {
        let client = Client::with_window(&server, 1_000).await;
        let mut closed = client.get("/events?topic=a").await.unwrap().into_body();
        client
            .post("/events?topic=a", &"x".repeat(5_000))
            .await
            .unwrap();
        // What follows is not taken from the log while the window is closed.
        wait(|| async {
            client.post("/events?topic=a", "more").await.unwrap();
            metric(&client, "subscribers_behind").await == 1
        })
        .await;
        let list = client
            .request("GET", "/admin/connections")
            .header("authorization", format!("Bearer {key}"));
        let list = body_of(client.send(list).await.unwrap()).await.unwrap();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let id = list["connections"][0]["id"].as_str().expect("an id");
        let end = client
            .request("DELETE", &format!("/admin/connections/{id}"))
            .header("authorization", format!("Bearer {key}"));
        let ended = client.send(end).await.unwrap();
        assert!(ended.status().is_success(), "{}", ended.status());
        assert_eq!(reset(&mut closed).await, Some(Reason::INTERNAL_ERROR));
    });
}

#[test]
fn streams_that_wait_for_an_authorization_are_sent_in_the_same_way() {
    let server: Server = start(&["--allow-anonymous-publish", "--no-direct"]);
    run(async {
        let client = Client::connect(&server).await;
        let mut stream = client.stream("/events?topic=a").await;
        client.post("/events?topic=a", "x").await.unwrap();
        stream.until("data: x\n").await;
        assert_eq!(Bytes::from(stream.text).first(), Some(&b'r'));
    });
}
