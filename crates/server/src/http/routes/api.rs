//! The documents of the interface: `/openapi.json` (`OpenAPI` 3.1) has the routes, `/asyncapi.json` (`AsyncAPI`
//! 3.0) the messages of streams and of `/ws`.
//!
//! Their sources are the JSON files in `api/`, one an area. A document describes what its listener serves: areas that
//! the settings switch off are left out.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    web::{self, ServiceConfig},
};
use serde_json::Value;

use super::{read_only::read_only, status::Status, tagged::TaggedText};
use sse_broadcaster_actix::{
    AppState, BasePath, Problem,
    internal::{Head, admit_reader},
};

const JSON: &str = "application/json";
/// The schemas that both documents have.
const SCHEMAS: &str = include_str!("api/schemas.json");

/// Which areas the settings switch on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    hub: bool,
    admin: bool,
    revocations: bool,
}

impl Served {
    pub(crate) fn new(hub: bool, status: &Status) -> Self {
        let admin = status.admin.as_ref();
        Self {
            hub,
            admin: admin.is_some(),
            revocations: admin.is_some_and(|admin| admin.revocations.is_some()),
        }
    }

    /// The files of `/openapi.json`.
    fn openapi(self) -> Vec<&'static str> {
        let always = [
            include_str!("api/openapi/info.json"),
            include_str!("api/openapi/errors.json"),
            include_str!("api/openapi/events.json"),
            include_str!("api/openapi/signals.json"),
            include_str!("api/openapi/lists.json"),
            include_str!("api/openapi/status.json"),
            include_str!("api/openapi/page.json"),
            SCHEMAS,
        ];
        let switched = [
            (self.hub, include_str!("api/openapi/mercure.json")),
            (self.admin, include_str!("api/openapi/admin.json")),
            (
                self.revocations,
                include_str!("api/openapi/revocations.json"),
            ),
        ];
        always.into_iter().chain(chosen(switched)).collect()
    }

    /// The files of `/asyncapi.json`.
    fn asyncapi(self) -> Vec<&'static str> {
        let always = [
            include_str!("api/asyncapi/info.json"),
            include_str!("api/asyncapi/events.json"),
            include_str!("api/asyncapi/signals.json"),
            include_str!("api/asyncapi/socket.json"),
            SCHEMAS,
        ];
        let switched = [(self.hub, include_str!("api/asyncapi/mercure.json"))];
        always.into_iter().chain(chosen(switched)).collect()
    }
}

fn chosen<const N: usize>(
    switched: [(bool, &'static str); N],
) -> impl Iterator<Item = &'static str> {
    let on = switched.into_iter().filter(|(is_on, _)| *is_on);
    on.map(|(_, file)| file)
}

/// Both documents, as a listener serves them.
pub(crate) struct Documents {
    openapi: TaggedText,
    asyncapi: TaggedText,
}

impl Documents {
    /// # Errors
    /// If a file is not JSON.
    pub(crate) fn of(served: Served, base: &BasePath) -> serde_json::Result<Self> {
        let mut asyncapi = document(&served.asyncapi())?;
        add_base_path(&mut asyncapi, base);
        let text = |document| Ok(TaggedText::new(JSON, serde_json::to_vec(&document)?));
        Ok(Self {
            openapi: text(document(&served.openapi())?)?,
            asyncapi: text(asyncapi)?,
        })
    }
}

fn document(files: &[&str]) -> serde_json::Result<Value> {
    let mut document = Value::Null;
    for file in files {
        merge(&mut document, serde_json::from_str(file)?);
    }
    document["info"]["version"] = env!("CARGO_PKG_VERSION").into();
    Ok(document)
}

/// The servers of `AsyncAPI` have no URL relative to the document, as those of `OpenAPI` do.
fn add_base_path(asyncapi: &mut Value, base: &BasePath) {
    let servers = asyncapi["servers"].as_object_mut();
    let servers = servers.filter(|_| !base.is_empty());
    for (_, server) in servers.into_iter().flatten() {
        server["pathname"] = base.as_str().into();
    }
}

/// Adds the members of objects and the items of arrays.
fn merge(into: &mut Value, added: Value) {
    match (into, added) {
        (Value::Object(into), Value::Object(added)) => {
            for (name, value) in added {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (Value::Array(into), Value::Array(added)) => into.extend(added),
        (into, added) => *into = added,
    }
}

pub(super) fn configure(
    config: &mut ServiceConfig,
    state: &Arc<AppState>,
    documents: &Arc<Documents>,
) {
    let state = web::Data::from(Arc::clone(state));
    let documents = web::Data::from(Arc::clone(documents));
    for resource in [
        read_only("/openapi.json", openapi),
        read_only("/asyncapi.json", asyncapi),
    ] {
        let resource = resource.app_data(state.clone());
        config.service(resource.app_data(documents.clone()));
    }
}

async fn openapi(
    request: HttpRequest,
    state: web::Data<AppState>,
    documents: web::Data<Documents>,
) -> Result<HttpResponse, Problem> {
    respond(&request, &state, &documents.openapi)
}

async fn asyncapi(
    request: HttpRequest,
    state: web::Data<AppState>,
    documents: web::Data<Documents>,
) -> Result<HttpResponse, Problem> {
    respond(&request, &state, &documents.asyncapi)
}

fn respond(
    request: &HttpRequest,
    state: &AppState,
    document: &TaggedText,
) -> Result<HttpResponse, Problem> {
    let head = Head::from(request);
    state.gate.admit_host(&head)?;
    let mut response = document.respond(request);
    admit_reader(&mut response, state, &head);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_merged_member_by_member_and_lists_are_joined() {
        let mut document = serde_json::json!({"a": {"b": 1}, "c": [1]});
        merge(
            &mut document,
            serde_json::json!({"a": {"d": 2}, "c": [2], "e": null}),
        );
        let merged = serde_json::json!({"a": {"b": 1, "d": 2}, "c": [1, 2], "e": null});
        assert_eq!(document, merged);
    }

    #[test]
    fn servers_have_the_base_path() {
        let mut document = serde_json::json!({"servers": {"ws": {"host": "a"}}});
        add_base_path(&mut document, &BasePath::default());
        assert_eq!(document["servers"]["ws"], serde_json::json!({"host": "a"}));
        add_base_path(&mut document, &BasePath::parse("/live").unwrap());
        assert_eq!(document["servers"]["ws"]["pathname"], "/live");
    }

    #[test]
    fn every_file_can_be_read() {
        let everything = Served {
            hub: true,
            admin: true,
            revocations: true,
        };
        Documents::of(everything, &BasePath::default()).unwrap();
    }
}
