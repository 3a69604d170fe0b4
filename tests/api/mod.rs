//! The documents of the interface, `/openapi.json` and `/asyncapi.json`, compared with the server and its sources.
//! `tests/api/run` has what needs other programs: validators, schemathesis, a generator of clients.

mod codes;
mod document;
mod examples;
mod routes;

use serde_json::{Map, Value};

use crate::{
    mercure::{PUBLISHER_KEY, SUBSCRIBER_KEY},
    support::{Server, tokens::bearer},
};

const ADMIN_KEY: &str = "the-key-of-an-operator";

/// A server that serves every route.
fn everything() -> Server {
    Server::start(&[
        "--mercure",
        "--mercure-anonymous",
        "--mercure-subscriptions",
        "--mercure-publisher-key",
        PUBLISHER_KEY,
        "--mercure-subscriber-key",
        SUBSCRIBER_KEY,
        "--presence",
        "*",
        "--admin-key",
        ADMIN_KEY,
    ])
}

fn openapi(server: &Server) -> Value {
    server.get("/openapi.json").json()
}

fn operator() -> String {
    bearer(ADMIN_KEY)
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// The value itself, or what its `$ref` names in the document.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let Some(named) = value["$ref"].as_str() else {
        return value;
    };
    let pointer = named.strip_prefix('#').expect("a reference inside");
    let found = document.pointer(pointer);
    found.unwrap_or_else(|| panic!("{named} is not in the document"))
}

/// The operations of a path, by their methods in capitals.
fn operations(path_item: &Value) -> impl Iterator<Item = (String, &Value)> {
    let members = object(path_item).iter();
    let operations = members.filter(|(name, _)| *name != "parameters");
    operations.map(|(method, operation)| (method.to_uppercase(), operation))
}
