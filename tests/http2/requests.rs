use bytes::Bytes;
use h2::{Reason, client};

use super::{Client, body_of, run, start};
use crate::support::http2::connect_with;

#[test]
fn operators_see_which_connections_are_streams_of_http2() {
    let server = start(&[
        "--allow-anonymous-publish",
        "--admin-key",
        "key-of-operators",
    ]);
    run(async {
        let client = Client::connect(&server).await;
        let _stream = client.stream("/events?topic=a").await;
        let _other = server.subscribe("/events?topic=b");
        let request = client.request("GET", "/admin/connections");
        let request = request.header("authorization", "Bearer key-of-operators");
        let list = body_of(client.send(request).await.unwrap()).await.unwrap();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        let http = |topic: &str| {
            let connections = list["connections"].as_array().unwrap().iter();
            let mut of = connections.filter(|connection| connection["topics"][0] == topic);
            of.next().expect("it is listed")["http"].clone()
        };
        assert_eq!(http("a"), "2");
        assert_ne!(http("b"), "2");
    });
}

#[test]
fn the_routes_respond_as_over_http_1() {
    let server = start(&["--allow-anonymous-publish"]);
    run(async {
        let client = Client::connect(&server).await;
        let published = client.post("/events?topic=a", "hello").await.unwrap();
        assert_eq!(published.status(), 200);
        let id = published.headers()["event-id"].clone();
        assert!(
            body_of(published)
                .await
                .unwrap()
                .contains(id.to_str().unwrap())
        );

        for path in ["/", "/metrics", "/health/ready", "/openapi.json"] {
            let response = client.get(path).await.unwrap();
            let headers = response.headers().clone();
            for absent in ["connection", "keep-alive", "transfer-encoding"] {
                assert!(!headers.contains_key(absent), "{path}: {headers:?}");
            }
            assert!(headers.contains_key("date") && headers.contains_key("x-content-type-options"));
            let body = body_of(response).await.unwrap();
            if let Some(length) = headers.get("content-length") {
                assert_eq!(length.to_str().unwrap(), body.len().to_string(), "{path}");
            }
        }
    });
}

#[test]
fn responses_without_a_body_have_none() {
    let server = start(&[]);
    run(async {
        let client = Client::connect(&server).await;
        for path in ["/", "/events", "/health/live", "/nothing"] {
            let response = client.send(client.request("HEAD", path)).await.unwrap();
            assert_eq!(body_of(response).await.unwrap(), "", "{path}");
        }
        let page = client.get("/client.js").await.unwrap();
        let tag = page.headers()["etag"].clone();
        let again = client
            .request("GET", "/client.js")
            .header("if-none-match", tag);
        let again = client.send(again).await.unwrap();
        assert_eq!(again.status(), 304);
        assert!(!again.headers().contains_key("content-length"));
        assert_eq!(body_of(again).await.unwrap(), "");
    });
}

#[test]
fn what_http_2_does_not_have_is_refused_and_the_connection_goes_on() {
    let server = start(&[]);
    run(async {
        let client = Client::connect(&server).await;
        let refused = client.get("/ws").await.unwrap();
        assert_eq!(refused.status(), 426);
        let headers = refused.headers().clone();
        assert!(!headers.contains_key("upgrade") && !headers.contains_key("connection"));
        assert!(
            body_of(refused)
                .await
                .unwrap()
                .contains("WebSockets are served over HTTP/1.1")
        );

        let foreign = client
            .request("GET", "/events")
            .header("host", "other.example");
        let error = client.send(foreign).await.unwrap_err();
        assert_eq!(error.reason(), Some(Reason::PROTOCOL_ERROR));

        let connect = http::Request::builder()
            .method("CONNECT")
            .uri("localhost:80");
        let status = client.send(connect).await.unwrap().status();
        assert!(status.is_client_error(), "{status}");
        assert_eq!(client.get("/health/live").await.unwrap().status(), 200);
    });
}

#[test]
fn the_authority_is_checked_as_the_host_is() {
    let server = start(&[]);
    run(async {
        let mut client = Client::connect(&server).await;
        client.authority = "rebound.example".into();
        for path in ["/events", "/", "/signals?name=a"] {
            let response = client.get(path).await.unwrap();
            assert_eq!(response.status(), 403, "{path}");
            assert!(body_of(response).await.unwrap().contains("foreign_host"));
        }
    });
}

#[test]
fn a_head_over_16_kib_is_refused_and_the_connection_goes_on() {
    let server = start(&[]);
    run(async {
        let client = Client::connect(&server).await;
        let request = client
            .request("GET", "/events")
            .header("x", "y".repeat(20 << 10));
        assert_eq!(client.send(request).await.unwrap().status(), 431);
        assert_eq!(client.get("/health/live").await.unwrap().status(), 200);
    });
}

#[test]
fn a_client_that_expects_to_be_asked_for_its_body_is_asked() {
    let server = start(&["--allow-anonymous-publish"]);
    run(async {
        let client = Client::connect(&server).await;
        let mut ready = client.send.clone().ready().await.unwrap();
        let request = client
            .request("POST", "/events?topic=a")
            .header("expect", "100-continue");
        let (mut response, mut body) = ready
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        let informed = std::future::poll_fn(|cx| response.poll_informational(cx)).await;
        assert_eq!(informed.unwrap().unwrap().status(), 100);
        body.send_data(Bytes::from_static(b"hello"), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
    });
}

#[test]
fn bodies_larger_than_the_windows_are_read_and_counted_against_the_budget_of_uploads() {
    let limits = [
        "--max-event-bytes",
        "1MiB",
        "--upload-buffer-bytes",
        "600KiB",
    ];
    let server = start(&[&["--allow-anonymous-publish"], &limits[..]].concat());
    run(async {
        let client = Client::connect(&server).await;
        let (kept, mut body) = begin_upload(&client, 500 << 10).await;
        let refused = {
            let (refused, _body) = begin_upload(&client, 500 << 10).await;
            refused.await.unwrap()
        };
        assert_eq!(refused.status(), 503);
        assert!(body_of(refused).await.unwrap().contains("uploads_full"));
        body.send_data(Bytes::new(), true).unwrap();
        assert_eq!(kept.await.unwrap().status(), 200);
    });
}

/// Sends so many bytes of a body that goes on.
async fn begin_upload(
    client: &Client,
    bytes: usize,
) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let mut ready = client.send.clone().ready().await.unwrap();
    let request = client.request("POST", "/events?topic=a").body(()).unwrap();
    let (response, mut body) = ready.send_request(request, false).unwrap();
    let mut rest = Bytes::from(vec![b'x'; bytes]);
    while !rest.is_empty() {
        body.reserve_capacity(rest.len());
        match std::future::poll_fn(|cx| body.poll_capacity(cx)).await {
            Some(Ok(capacity)) => body
                .send_data(rest.split_to(capacity.min(rest.len())), false)
                .unwrap(),
            // It was refused.
            _ => break,
        }
    }
    (response, body)
}

#[test]
fn a_body_of_which_each_line_is_a_frame_is_read_whole() {
    let server = start(&["--allow-anonymous-publish"]);
    run(async {
        let client = Client::connect(&server).await;
        let mut ready = client.send.clone().ready().await.unwrap();
        let request = client
            .request("POST", "/events")
            .header("content-type", "application/x-ndjson");
        let (response, mut body) = ready
            .send_request(request.body(()).unwrap(), false)
            .unwrap();
        for number in 0..5_000 {
            let line = format!("{{\"topic\":\"a\",\"data\":\"{number}\"}}\n");
            body.reserve_capacity(line.len());
            while body.capacity() < line.len() {
                std::future::poll_fn(|cx| body.poll_capacity(cx))
                    .await
                    .unwrap()
                    .unwrap();
            }
            body.send_data(line.into(), false).unwrap();
        }
        body.send_data(Bytes::new(), true).unwrap();
        assert_eq!(response.await.unwrap().status(), 200);
        let mut stream = client.stream("/events?topic=a&since=earliest").await;
        stream.until("data: 4999\n").await;
        assert_eq!(stream.data().len(), 5_000);
    });
}

#[test]
fn a_client_with_small_windows_opens_them_as_often_as_it_must() {
    let server = start(&[]);
    run(async {
        let mut builder = client::Builder::new();
        builder.initial_window_size(1_000);
        let client = Client {
            send: connect_with(server.address, &builder).await,
            authority: server.address.to_string(),
        };
        for _ in 0..100 {
            let response = client.get("/openapi.json").await.unwrap();
            assert!(body_of(response).await.unwrap().len() > 50_000);
        }
    });
}
