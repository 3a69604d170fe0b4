//! The examples of the document, sent to the server.

use serde_json::Value;

use super::{everything, object, openapi, operations, operator, resolved};
use crate::{
    mercure::{HUB, publisher, subscriber},
    support::Server,
};

/// Statuses of examples that no client can send as they are: a handshake, ids of connections and of subscriptions, and
/// names of dictionaries.
const EXPECTED_REFUSALS: [(&str, &str, u16); 6] = [
    ("GET", "/ws", 426),
    ("GET", "/dictionaries/{name}", 404),
    ("DELETE", "/admin/connections/{id}", 404),
    ("GET", "/admin/explain", 404),
    (
        "GET",
        "/.well-known/mercure/subscriptions/{topic}/{subscriber}",
        404,
    ),
    (
        "GET",
        "/.well-known/mercure/subscriptions/{match_type}/{match}/{subscriber}",
        404,
    ),
];

const DOCUMENT: &str = "/signals/{name}";

/// One way to call an operation.
#[derive(Debug, Default, Clone)]
struct Call {
    path: String,
    query: Vec<String>,
    headers: Vec<String>,
    body: String,
}

impl Call {
    fn add(&mut self, parameter: &Value, value: &Value) {
        let name = parameter["name"].as_str().expect("a name");
        let values: Vec<String> = match value {
            Value::Array(items) => items.iter().map(text).collect(),
            value => vec![text(value)],
        };
        match parameter["in"].as_str() {
            Some("path") => {
                self.path = self
                    .path
                    .replace(&format!("{{{name}}}"), &encoded(&values[0]));
            }
            Some("query") => {
                let pairs = values
                    .iter()
                    .map(|value| format!("{name}={}", encoded(value)));
                self.query.extend(pairs);
            }
            _ => self.headers.push(format!("{name}: {}", values[0])),
        }
    }

    /// The status of the response, which may be a stream.
    fn send(&self, server: &Server, method: &str, authorization: &str) -> u16 {
        let (path, query) = (&self.path, self.query.join("&"));
        let mut head = format!("{method} {path}?{query} HTTP/1.1\n{authorization}\n");
        for header in &self.headers {
            head.push_str(header);
            head.push('\n');
        }
        if method == "GET" {
            return server.status_line(head.trim_end());
        }
        server.request(&head, self.body.as_bytes()).status
    }
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// The values of `example`, or of each of `examples`.
fn examples(of: &Value) -> Vec<&Value> {
    let many = of["examples"].as_object().into_iter().flatten();
    let many = many.map(|(_, example)| &example["value"]);
    of.get("example").into_iter().chain(many).collect()
}

/// The body of this type for an example.
fn body(content_type: &str, example: &Value) -> String {
    if content_type != "application/x-www-form-urlencoded" {
        return text(example);
    }
    let fields = object(example).iter().flat_map(|(name, value)| {
        let values = value.as_array().cloned().unwrap_or(vec![value.clone()]);
        let pair = move |value| format!("{name}={}", encoded(&text(&value)));
        values.into_iter().map(pair).collect::<Vec<_>>()
    });
    fields.collect::<Vec<_>>().join("&")
}

/// The calls of an operation: the least, one more for each example of a parameter, and one for each of a body.
fn calls(document: &Value, path: &str, item: &Value, operation: &Value) -> Vec<Call> {
    let lists = [&item["parameters"], &operation["parameters"]];
    let parameters = lists.into_iter().filter_map(Value::as_array).flatten();
    let parameters: Vec<_> = parameters.map(|of| resolved(document, of)).collect();
    let mut least = Call {
        path: path.to_owned(),
        ..Call::default()
    };
    // A subscription of the hub names at least one topic, whichever of four parameters has it.
    let is_needed = |of: &Value| of["required"] == true || path == HUB && of["name"] == "topic";
    for parameter in parameters.iter().filter(|of| is_needed(of)) {
        let placeholder = match parameter["name"].as_str() {
            Some("match_type") => Value::from("exact"),
            _ => Value::from("x"),
        };
        let values = examples(parameter);
        least.add(parameter, values.first().copied().unwrap_or(&placeholder));
    }
    let content = operation["requestBody"]["content"].as_object();
    let mut with_bodies: Vec<Call> = Vec::new();
    for (content_type, media) in content.into_iter().flatten() {
        for example in examples(media) {
            let mut call = least.clone();
            call.headers.push(format!("Content-Type: {content_type}"));
            call.body = body(content_type, example);
            with_bodies.push(call);
        }
    }
    // A field must not be in the query and in the body: text, which is the last type, has none.
    let base = with_bodies.last().cloned().unwrap_or(least);
    let mut all = with_bodies;
    all.push(base.clone());
    for parameter in parameters.iter().filter(|of| !is_needed(of)) {
        for example in examples(parameter) {
            let mut call = base.clone();
            call.add(parameter, example);
            all.push(call);
        }
    }
    all
}

/// Who may do it.
fn authorization(method: &str, path: &str) -> String {
    match path {
        HUB if method == "POST" => publisher(&["*"]),
        path if path.starts_with(HUB) => subscriber(&["*"]),
        _ => operator(),
    }
}

/// Each example finds a document, also one after another that removes it.
fn set_document(server: &Server) {
    let head = format!(
        "PUT /signals/counter HTTP/1.1\nContent-Type: application/json\n{}",
        operator()
    );
    let status = server.request(&head, b"{\"value\":1}").status;
    assert!(matches!(status, 200 | 201), "{status}");
}

#[test]
fn every_example_has_a_documented_status_and_succeeds() {
    let server = everything();
    let document = openapi(&server);
    let mut sent = 0;
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in operations(item) {
            for call in calls(&document, path, item, operation) {
                if path == DOCUMENT {
                    set_document(&server);
                }
                let status = call.send(&server, &method, &authorization(&method, path));
                let documented = &operation["responses"][status.to_string()];
                assert!(documented.is_object(), "{method} {call:?}: {status}");
                let mut refusals = EXPECTED_REFUSALS.iter();
                let expected = refusals.find(|(of, to, _)| *of == method && to == path);
                let is_expected = match expected {
                    Some((_, _, refused)) => status == *refused,
                    None => (200..300).contains(&status),
                };
                assert!(is_expected, "{method} {call:?}: {status}");
                sent += 1;
            }
        }
    }
    assert!(sent > 60, "{sent} examples");
}
