//! The paths and methods of the document are those that the server routes.

use std::collections::BTreeSet;

use super::{everything, object, openapi, operations};
use crate::{documents::sources, support::Server};

/// Whether it is a part of the page, which is documented as a whole.
fn is_part_of_page(path: &str) -> bool {
    matches!(path, "/page.css" | "/page.js") || path.starts_with("/page/")
}

/// `OpenAPI` has no such operation before 3.2.
const NOT_IN_OPENAPI: &str = "QUERY";

/// The paths that the sources route: those of resources, of [`sse_broadcaster_http::Route`], of the hub and of files.
fn routed() -> BTreeSet<String> {
    let named = |text: &str, before: &str| -> Vec<String> {
        let found = text.split(before).skip(1);
        let paths = found.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next());
        paths.map(str::to_owned).collect()
    };
    let mut paths = BTreeSet::new();
    for (name, text) in sources() {
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        if name.starts_with("crates/server/src/http") {
            paths.extend(named(text, "read_only("));
            paths.extend(named(text, "web::resource("));
        }
        match name.as_str() {
            "crates/http/src/routes.rs" => paths.extend(named(text, "=>")),
            "crates/mercure/src/paths.rs" => paths.extend(named(text, "&str =")),
            "crates/server/src/http/routes/page.rs" => paths.extend(named(text, "    (")),
            _ => {}
        }
    }
    paths.retain(|path| path.starts_with('/') && !is_part_of_page(path));
    paths
}

#[test]
fn the_openapi_document_has_every_route_of_the_sources_and_no_other() {
    let document = openapi(&everything());
    let documented: BTreeSet<String> = object(&document["paths"]).keys().cloned().collect();
    let routed = routed();
    assert!(routed.len() > 20, "{routed:?}");
    let missing: Vec<_> = routed.difference(&documented).collect();
    assert!(missing.is_empty(), "not in the document: {missing:?}");
    // What is below a route has no route of its own in the sources.
    let is_below = |path: &&String| {
        let mut above = routed.iter();
        above.any(|above| path.starts_with(&format!("{above}/")) && *above != "/")
    };
    let unknown: Vec<_> = documented.difference(&routed).collect();
    let unknown: Vec<_> = unknown.iter().filter(|path| !is_below(path)).collect();
    assert!(unknown.is_empty(), "not in the sources: {unknown:?}");
}

/// The methods and paths of the table in docs/http-api.md, with `{}` for what differs.
fn tabled() -> BTreeSet<(String, String)> {
    let page = include_str!("../../docs/http-api.md");
    let table = page
        .split("## Routes")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next());
    let rows = table
        .expect("a table")
        .lines()
        .filter_map(|row| row.strip_prefix("| "));
    let mut all = BTreeSet::new();
    for row in rows {
        let cell = row.split(" | ").next().unwrap_or_default();
        let mut methods = Vec::new();
        // As in `GET`, `PUT /signals/<name>`: the path belongs to both.
        for word in cell
            .split('`')
            .skip(1)
            .step_by(2)
            .flat_map(|code| code.split(' '))
        {
            if !word.starts_with('/') {
                methods.push(word);
                continue;
            }
            let path = word.split('?').next().unwrap_or_default();
            let path = path.replace('<', "{").replace('>', "}");
            let routes = methods.drain(..);
            all.extend(routes.map(|method: &str| (method.to_owned(), unnamed(&path))));
        }
    }
    // Both are described in words, and so are further spellings of a path.
    all.retain(|(method, path)| {
        !["HEAD", "OPTIONS", NOT_IN_OPENAPI].contains(&method.as_str())
            && (path == "/" || !path.ends_with('/'))
    });
    all
}

/// The path with `{}` for each parameter.
fn unnamed(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let is_parameter = segment.starts_with('{');
        if is_parameter { "{}" } else { segment }
    });
    segments.collect::<Vec<_>>().join("/")
}

#[test]
fn the_openapi_document_has_the_routes_of_the_manual() {
    let document = openapi(&everything());
    let mut documented = BTreeSet::new();
    for (path, item) in object(&document["paths"]) {
        let methods = operations(item).map(|(method, _)| method);
        documented.extend(methods.map(|method| (method, unnamed(path))));
    }
    let tabled = tabled();
    assert!(tabled.len() > 25, "{tabled:?}");
    let missing: Vec<_> = tabled.difference(&documented).collect();
    assert!(missing.is_empty(), "not in the document: {missing:?}");
    // The manual has a page of its own for the hub, and the table its main routes alone.
    let unknown = documented.difference(&tabled);
    let unknown: Vec<_> = unknown
        .filter(|(_, path)| !path.contains("mercure"))
        .collect();
    assert!(unknown.is_empty(), "not in docs/http-api.md: {unknown:?}");
}

/// The path with a value for each parameter.
fn filled(path: &str) -> String {
    let segments = path.split('/').map(|segment| match segment {
        "{match_type}" => "exact",
        segment if segment.starts_with('{') => "x",
        segment => segment,
    });
    segments.collect::<Vec<_>>().join("/")
}

/// The methods of the response to one that no route has.
fn allowed(server: &Server, path: &str) -> BTreeSet<String> {
    let response = server.request(&format!("BREW {path} HTTP/1.1"), b"");
    assert_eq!(response.status, 405, "{path}: {response:?}");
    let allow = response.header("allow").expect("Allow").split(", ");
    allow.map(str::to_owned).collect()
}

#[test]
fn each_documented_path_allows_the_documented_methods_and_no_other() {
    let server = everything();
    let document = openapi(&server);
    for (path, item) in object(&document["paths"]) {
        let methods = operations(item).map(|(method, _)| method);
        let mut expected: BTreeSet<String> = methods.collect();
        if expected.contains("GET") && path != "/ws" {
            expected.insert("HEAD".to_owned());
        }
        let mut allowed = allowed(&server, &filled(path));
        for general in ["OPTIONS", NOT_IN_OPENAPI] {
            allowed.remove(general);
        }
        assert_eq!(allowed, expected, "{path}");
    }
}

#[test]
fn a_path_below_events_publishes_by_get_alone() {
    let server = Server::start(&[]);
    let allow = "GET, HEAD, OPTIONS";
    let response = server.post("/events/x", "text/plain", "x");
    assert_eq!(
        (response.status, response.header("allow")),
        (405, Some(allow))
    );
    let response = server.request("OPTIONS /events/x HTTP/1.1", b"");
    assert_eq!(
        (response.status, response.header("allow")),
        (204, Some(allow))
    );
}
