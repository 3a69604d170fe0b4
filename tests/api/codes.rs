//! The error codes of the document are those of docs/errors.md, each with its statuses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{everything, object, openapi, operations, resolved};

type Statuses = BTreeSet<u16>;

/// Each code of the tables with its statuses.
fn explained() -> BTreeMap<String, Statuses> {
    let rows = include_str!("../../docs/errors.md").lines();
    let codes = rows.filter_map(|row| {
        let mut cells = row.strip_prefix("| `")?.split('|');
        let code = cells.next()?.trim().trim_end_matches('`');
        let statuses = cells.next()?.split(',').map(|status| status.trim().parse());
        Some((code.to_owned(), statuses.collect::<Result<_, _>>().ok()?))
    });
    codes.collect()
}

/// The codes that the schema of a response allows.
fn codes_of<'a>(document: &'a Value, response: &'a Value) -> Vec<&'a str> {
    let content = &resolved(document, response)["content"]["application/problem+json"];
    let narrowed = content["schema"]["allOf"][1]["properties"]["code"]["enum"].as_array();
    let codes = narrowed.into_iter().flatten();
    codes.map(|code| code.as_str().expect("a code")).collect()
}

#[test]
fn the_schema_of_a_problem_has_every_error_code_and_no_other() {
    let document = openapi(&everything());
    let listed = document.pointer("/components/schemas/ErrorCode/enum");
    let listed = listed.and_then(Value::as_array).expect("a list").iter();
    let listed: BTreeSet<&str> = listed.filter_map(Value::as_str).collect();
    let explained = explained();
    assert!(explained.len() > 100, "{}", explained.len());
    assert_eq!(listed, explained.keys().map(String::as_str).collect());
}

#[test]
fn each_code_belongs_to_responses_of_its_statuses_and_to_no_other() {
    let document = openapi(&everything());
    let explained = explained();
    let mut found: BTreeMap<String, Statuses> = BTreeMap::new();
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in operations(item) {
            for (status, response) in object(&operation["responses"]) {
                let status: u16 = status.parse().expect("a status");
                for code in codes_of(&document, response) {
                    let statuses = explained.get(code);
                    let statuses = statuses.unwrap_or_else(|| panic!("{code} is not explained"));
                    // Mercure's protocol has statuses of its own.
                    let is_right = statuses.contains(&status) || path.contains("mercure");
                    assert!(is_right, "{method} {path}: {status} {code}");
                    found.entry(code.to_owned()).or_default().insert(status);
                }
            }
        }
    }
    // Of every address.
    for of_all in ["not_found", "method_not_allowed"] {
        found.insert(of_all.to_owned(), explained[of_all].clone());
    }
    for (code, statuses) in explained {
        let found = found.get(&code).cloned().unwrap_or_default();
        let missing: Vec<_> = statuses.difference(&found).collect();
        assert!(
            missing.is_empty(),
            "no operation responds {missing:?} {code}"
        );
    }
}
