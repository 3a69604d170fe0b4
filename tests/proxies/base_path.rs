//! `--base-path`: all routes are below it, on every path through the server.

use std::process::Command;

use serde_json::Value;

use super::{KEY, connected, open_socket, server, servers};
use crate::{
    mercure,
    support::{Server, command, tokens::bearer, wait_until},
};

const BASE: [&str; 2] = ["--base-path", "/live/a.b"];

fn run(args: &[&str]) -> (bool, String) {
    let output = command(args).output().expect("the binary runs");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[test]
fn streams_publishes_and_sockets_are_served_below_the_base_path() {
    for server in servers(&BASE) {
        let mut stream = connected(&server, "/live/a.b/events?topic=a", "");
        let mut slash = connected(&server, "/live/a.b/events/?topic=a", "");
        let published = server.post("/live/a.b/events?topic=a", "text/plain", "one");
        assert_eq!(published.status, 200, "{published:?}");
        assert_eq!(server.get("/live/a.b/events/a?topic=a").status, 200);
        let json = r#"{"topic":"a","data":"three"}"#;
        assert_eq!(
            server
                .post("/live/a.b/events", "application/json", json)
                .status,
            200
        );
        for stream in [&mut stream, &mut slash] {
            assert_eq!(stream.data(3), ["one", "a", "three"]);
        }
        let written = server.request(
            "PUT /live/a.b/signals/n HTTP/1.1\nContent-Type: application/json",
            b"1",
        );
        assert!(written.status < 300, "{written:?}");
        let mut signals = server.subscribe("/live/a.b/signals?name=n");
        assert!(signals.event().unwrap().data.contains('1'));
        let mut socket = open_socket(&server, "/live/a.b/ws?topic=a&last=1", &[]).unwrap();
        let mut message = socket.next();
        while message["data"] != "three" {
            message = socket.next();
        }
        assert_eq!(
            server.get("/live/a.b/topics").json()["topics"][0]["name"],
            "a"
        );
    }
}

#[test]
fn what_is_not_below_the_base_path_is_404_with_the_right_path() {
    for server in servers(&BASE) {
        for path in [
            "/events",
            "/events?topic=a",
            "/",
            "/ws",
            "/live/events",
            "/live/a.b/../events",
            "/admin/status",
            "/client.js",
        ] {
            let response = server.get(path);
            let detail = response.json()["detail"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert_eq!(
                (response.status, response.code().as_str()),
                (404, "not_found"),
                "{path}"
            );
            if !path.starts_with("/live/a.b") {
                let bare = path.split('?').next().unwrap();
                assert!(
                    detail.contains(&format!("request /live/a.b{bare}")),
                    "{detail}"
                );
            }
        }
        let published = server.post("/events", "text/plain", "x");
        assert_eq!(
            (published.status, published.code().as_str()),
            (404, "not_found")
        );
        let socket = open_socket(&server, "/ws", &[]);
        assert_eq!(socket.err().map(|response| response.status), Some(404));
        assert_eq!(server.get("/live/a.b/nothing").status, 404);
    }
}

#[test]
fn health_and_metrics_are_also_where_orchestrators_and_prometheus_look_for_them() {
    for server in servers(&BASE) {
        for path in ["/health/live", "/health/ready", "/metrics"] {
            assert_eq!(server.get(path).status, 200, "{path}");
            assert_eq!(
                server.get(&format!("/live/a.b{path}")).status,
                200,
                "{path}"
            );
        }
    }
}

#[test]
fn the_page_its_files_and_its_documents_are_below_the_base_path() {
    for server in servers(&BASE) {
        for query in ["", "?a=b"] {
            let redirect = server.get(&format!("/live/a.b{query}"));
            assert_eq!(redirect.status, 308);
            assert_eq!(
                redirect.header("location"),
                Some(&*format!("/live/a.b/{query}"))
            );
        }
        assert_eq!(server.post("/live/a.b", "text/plain", "x").status, 404);
        let page = server.get("/live/a.b/");
        assert_eq!(page.status, 200);
        let html = page.text();
        let parts = html.split(['"', '\'']);
        let parts: Vec<_> = parts
            .filter(|text| matches!(*text, "page.css" | "page.js"))
            .collect();
        assert!(!parts.is_empty(), "{html}");
        for part in parts {
            assert_eq!(
                server.get(&format!("/live/a.b/{part}")).status,
                200,
                "{part}"
            );
        }
        for path in [
            "/client.js",
            "/page/stream.js",
            "/openapi.json",
            "/asyncapi.json",
        ] {
            assert_eq!(
                server.get(&format!("/live/a.b{path}")).status,
                200,
                "{path}"
            );
        }
        let servers: Value = server.get("/live/a.b/openapi.json").json()["servers"].clone();
        assert_eq!(servers[0]["url"], ".", "relative to the document");
        let messages = server.get("/live/a.b/asyncapi.json").json();
        assert_eq!(messages["servers"]["ws"]["pathname"], "/live/a.b");
        let _stream = connected(&server, "/live/a.b/events", "");
        let head = format!("GET /live/a.b/admin/connections HTTP/1.1\n{}", bearer(KEY));
        assert_eq!(super::connections(&server.request(&head, b"")).len(), 1);
    }
}

#[test]
fn a_dictionary_is_for_the_streams_below_the_base_path() {
    let server = &server(&BASE);
    let event = |number| {
        format!(
            "{{\"topic\":\"a\",\"data\":\"a text that repeats itself, number {number}, and more of it\"}}"
        )
    };
    let batch: Vec<_> = (0..32).map(event).collect();
    let batch = format!("[{}]", batch.join(","));
    assert_eq!(
        server
            .post("/live/a.b/events", "application/json", &batch)
            .status,
        200
    );
    let path = "/live/a.b/dictionaries/current";
    wait_until("there is a dictionary", || server.get(path).status == 200);
    for (query, expected) in [
        ("", "match=\"/live/a.b/events*\""),
        ("?for=signals", "match=\"/live/a.b/signals*\""),
    ] {
        let dictionary = server.get(&format!("{path}{query}"));
        assert_eq!(dictionary.header("use-as-dictionary"), Some(expected));
    }
    let script = server.get("/live/a.b/client.js");
    assert!(
        script.header("link").unwrap().starts_with("<dictionaries/"),
        "relative to the script"
    );
}

#[test]
fn a_hub_is_below_the_base_path_with_its_links_and_its_metadata() {
    for direct in [&[][..], &["--no-direct"]] {
        let settings = [
            "--mercure",
            "--mercure-subscriptions",
            "--mercure-publisher-key",
            mercure::PUBLISHER_KEY,
            "--mercure-subscriber-key",
            mercure::SUBSCRIBER_KEY,
        ];
        let hub = server(&[&settings, &BASE[..], &super::TRUSTED, direct].concat());
        let proxied = |path: &str| {
            let head = format!("GET {path} HTTP/1.1\nX-Forwarded-Proto: https");
            hub.raw(&head, "events.example", b"")
        };
        let path = "/live/a.b/.well-known/mercure";
        let token = mercure::subscriber(&["*"]);
        let mut stream = hub.subscribe_with(&format!("{path}?topic=a"), &token);
        let publish = format!(
            "POST {path} HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n{}",
            mercure::publisher(&["*"])
        );
        assert_eq!(hub.request(&publish, b"topic=a&data=x").status, 200);
        assert_eq!(stream.event().unwrap().data, "x");
        assert_eq!(hub.get("/.well-known/mercure?topic=a").status, 404);
        let metadata = "/.well-known/oauth-protected-resource";
        let resource = format!("https://events.example{path}");
        for at in [
            format!("/live/a.b{metadata}/.well-known/mercure"),
            format!("{metadata}{path}"),
        ] {
            assert_eq!(proxied(&at).json()["resource"], resource, "{at}");
        }
        let refused = proxied(&format!("{path}/subscriptions"));
        assert_eq!(refused.status, 401);
        let challenge = refused.header("www-authenticate").unwrap_or_default();
        let expected = format!("https://events.example/live/a.b{metadata}/.well-known/mercure");
        assert!(challenge.contains(&expected), "{challenge}");
    }
}

#[test]
fn the_commands_find_a_server_below_a_base_path() {
    let server = Server::start(&BASE);
    let url = format!("http://{}/live/a.b", server.address);
    let listen = server.address.to_string();
    for to in [
        &["--url", &url][..],
        &["--url", &format!("{url}/")],
        &["--url", &format!("{url}/events")],
    ] {
        let (done, text) = run(&[&["publish", "hello", "--topic", "a"], to].concat());
        assert!(done, "{text}");
        let (done, text) = run(&[&["subscribe", "--topic", "a", "--until", "head"], to].concat());
        assert!(done && text.contains("hello"), "{text}");
    }
    let (done, text) = run(&["health", "--url", &url]);
    assert!(done, "{text}");
    // By the settings of the server.
    for command in [&["publish", "hello"][..], &["health"]] {
        let settings = ["--listen", &listen, "--base-path", "/live/a.b"];
        let (done, text) = run(&[&settings, command].concat());
        assert!(done && !text.contains("no effect"), "{text}");
    }
}

#[test]
fn curl_and_a_proxied_client_see_one_base_path() {
    let server = &server(&[&BASE[..], &super::TRUSTED].concat());
    let _stream = connected(server, "/live/a.b/events", "X-Forwarded-For: 203.0.113.7");
    let head = format!("GET /live/a.b/admin/connections HTTP/1.1\n{}", bearer(KEY));
    let found = super::connections(&server.request(&head, b""));
    assert_eq!(found[0]["address"], "203.0.113.7");
    let url = format!("http://{}/live/a.b", server.address);
    let curl = Command::new("curl")
        .args(["-sSLo", "/dev/null", "-w", "%{http_code}", &url])
        .output();
    assert_eq!(curl.expect("curl runs").stdout, b"200");
}
