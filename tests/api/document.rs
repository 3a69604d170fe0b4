//! How the documents are served, and what the settings leave out.

use serde_json::Value;

use super::{everything, object, openapi};
use crate::support::Server;

const PATHS: [&str; 2] = ["/openapi.json", "/asyncapi.json"];

#[test]
fn both_documents_are_json_of_this_version_that_clients_revalidate() {
    let server = everything();
    for path in PATHS {
        let response = server.get(path);
        assert_eq!(response.status, 200, "{response:?}");
        assert_eq!(response.header("content-type"), Some("application/json"));
        assert_eq!(response.header("cache-control"), Some("no-cache"));
        assert_eq!(
            response.json()["info"]["version"],
            env!("CARGO_PKG_VERSION")
        );
        let tag = response.header("etag").expect("an entity tag");
        let head = format!("GET {path} HTTP/1.1\nIf-None-Match: W/{tag}");
        let known = server.request(&head, b"");
        assert_eq!((known.status, known.body.len()), (304, 0), "{known:?}");
        assert_eq!(known.header("etag"), Some(tag));
        let head = server.request(&format!("HEAD {path} HTTP/1.1"), b"");
        assert_eq!((head.status, head.body.len()), (200, 0), "{head:?}");
        assert_eq!(
            head.header("content-length"),
            response.header("content-length")
        );
    }
}

#[test]
fn pages_of_origins_that_may_read_can_load_the_documents() {
    let app = "https://app.example.com";
    let server = Server::start(&["--cors-origin", app]);
    for path in PATHS {
        let from = |origin| server.request(&format!("GET {path} HTTP/1.1\nOrigin: {origin}"), b"");
        let admitted = from(app);
        assert_eq!(admitted.header("access-control-allow-origin"), Some(app));
        assert_eq!(admitted.header("vary"), Some("Origin"));
        let other = from("https://example.com");
        assert_eq!(other.header("access-control-allow-origin"), None);
    }
}

#[test]
fn the_documents_belong_to_the_page() {
    let without = Server::start(&["--no-page"]);
    let mut apart = Server::start(&["--admin-listen", "127.0.0.1:0"]);
    for path in PATHS {
        assert_eq!(without.get(path).status, 404);
        assert_eq!(apart.get(path).status, 404);
    }
    let log = apart.log();
    let admin = log.lines().next().unwrap().rsplit("http://").next();
    let admin = admin.and_then(|rest| rest.split([' ', ',']).next());
    apart.address = admin.unwrap().parse().expect("an address");
    assert_eq!(PATHS.map(|path| apart.get(path).status), [200; 2]);
}

/// The paths and channels that begin with this.
fn named(document: &Value, beginning: &str) -> usize {
    let paths = document["paths"].as_object().into_iter().flatten();
    let channels = document["channels"].as_object().into_iter().flatten();
    let addresses = channels.filter_map(|(_, channel)| channel["address"].as_str());
    let all = paths.map(|(path, _)| path.as_str()).chain(addresses);
    all.filter(|address| address.starts_with(beginning)).count()
}

#[test]
fn what_the_settings_switch_off_is_left_out() {
    let documents = |server: &Server| PATHS.map(|path| server.get(path).json());
    let [openapi, asyncapi] = documents(&Server::start(&[]));
    for absent in ["/admin", "/.well-known"] {
        assert_eq!(named(&openapi, absent), 0, "{absent}");
        assert_eq!(named(&asyncapi, absent), 0, "{absent}");
    }
    assert_eq!(named(&openapi, "/events"), 2);
    let [openapi, asyncapi] = documents(&everything());
    assert_eq!(named(&openapi, "/admin"), 7);
    assert!(named(&openapi, "/.well-known/mercure") > 3);
    assert_eq!(named(&asyncapi, "/.well-known/mercure"), 1);
}

#[test]
fn every_reference_is_in_the_document_whatever_is_left_out() {
    for server in [Server::start(&[]), everything()] {
        for path in PATHS {
            check_references(&server.get(path).json());
        }
    }
}

fn check_references(document: &Value) {
    let mut rest = vec![document];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(members) => {
                super::resolved(document, value);
                rest.extend(members.values());
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
}

#[test]
fn every_operation_has_a_summary_and_each_parameter_a_description() {
    let document = openapi(&everything());
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in super::operations(item) {
            assert!(operation["summary"].is_string(), "{method} {path}");
            let parameters = [&item["parameters"], &operation["parameters"]];
            for parameter in parameters.into_iter().filter_map(Value::as_array).flatten() {
                let parameter = super::resolved(&document, parameter);
                assert!(parameter["description"].is_string(), "{parameter}");
            }
        }
    }
}
