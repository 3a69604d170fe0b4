//! The statements of `docs/postgresql.md`, as its readers run them.

use crate::{support::postgres::PostgresServer, support::wait_until};

const PAGE: &str = include_str!("../../docs/postgresql.md");

/// The blocks of this language, in their order.
fn blocks(language: &str) -> Vec<&'static str> {
    let begins = format!("```{language}\n");
    let blocks = PAGE.split(&begins[..]).skip(1);
    blocks
        .filter_map(|block| block.split("```").next())
        .collect()
}

#[test]
fn the_statements_of_the_page_set_up_the_roles_and_publish() {
    let server = PostgresServer::start();
    let [set_up, rest @ ..] = &blocks("sql")[..] else {
        panic!("the page begins with the roles");
    };
    server.ask(set_up);
    let url = format!("postgres://sse_node:password@{}/postgres", server.address());
    let mut command = crate::support::command(&["--listen", "127.0.0.1:0", "--workers", "1"]);
    command.args(["--postgres-url", &url]);
    let node = crate::support::Server::spawn(command);
    wait_until("the node has made its tables", || {
        crate::redis::nodes::history_of(&node) == "ok"
    });
    let mut stream = node.subscribe("/events?topic=orders/42");
    stream.until("connected");
    for statements in rest {
        server.ask(&format!("SET client_min_messages = error; {statements}"));
    }
    assert_eq!(stream.data(1), ["{\"state\": \"paid\"}"]);
    server.ask("CREATE TABLE noted (id integer)");
    // As a driver of Python passes the parameters.
    let [python] = &blocks("python")[..] else {
        panic!("one example in Python");
    };
    let statement = python
        .split('"')
        .find(|part| part.starts_with("SELECT"))
        .unwrap();
    let statement = statement
        .replacen("%s", "'orders/42'", 1)
        .replacen("%s", "'{}'", 1);
    server.ask(&format!("SET ROLE app; {statement}"));
    assert_eq!(stream.data(1), ["{}"]);
    let trigger = PAGE
        .split("`PERFORM ")
        .nth(1)
        .and_then(|rest| rest.split('`').next())
        .unwrap();
    server.ask(&format!(
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM {trigger}; RETURN NEW; END $$; \
         CREATE TRIGGER tell AFTER INSERT ON noted FOR EACH ROW EXECUTE FUNCTION tell(); INSERT INTO noted VALUES (7)"
    ));
    let mut orders = node.subscribe("/events?topic=orders&since=earliest");
    assert_eq!(orders.data(1), ["{\"id\": 7}"]);
}
