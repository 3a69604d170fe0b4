//! The roles of nodes and of applications, and what each needs.

use crate::{
    postgres::nodes::Database,
    redis::nodes::history_of,
    support::{Server, command},
};

fn node_as(database: &Database, role: &str) -> Server {
    let address = database.server.address();
    let url = format!("postgres://{role}@{address}/postgres?sslmode=disable");
    let mut command = command(&["--listen", "127.0.0.1:0", "--workers", "1"]);
    command.args([
        "--postgres-url",
        &url,
        "--postgres-schema",
        &database.schema,
    ]);
    Server::spawn(command)
}

#[test]
fn a_role_that_owns_the_schema_can_run_a_node_and_one_without_rights_is_told_what_it_needs() {
    let database = Database::new();
    let role = format!("node_{}", database.schema);
    database.ask(&format!("CREATE ROLE {role} LOGIN"));
    let mut denied = node_as(&database, &role);
    let advice = format!("CREATE SCHEMA {} AUTHORIZATION <role>", database.schema);
    assert!(denied.log().contains(&advice), "{}", denied.log());
    database.ask(&format!("CREATE SCHEMA @ AUTHORIZATION {role}"));
    crate::support::wait_until("it makes the tables", || history_of(&denied) == "ok");
    denied.publish("t", "x");
}

#[test]
fn an_application_that_may_use_the_schema_may_publish_and_nothing_else() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    stream.until("connected");
    let role = format!("app_{}", database.schema);
    database.ask(&format!("CREATE ROLE {role} LOGIN"));
    let as_role = |sql: &str| format!("SET ROLE {role}; {sql}");
    let denied = database.error(&as_role("SELECT @.publish('t', 'x')"));
    assert!(denied.contains("permission denied for schema"), "{denied}");
    database.ask(&format!("GRANT USAGE ON SCHEMA @ TO {role}"));
    for published in [
        "'t', 'text'",
        "ARRAY['t'], 'topics'",
        "'t', '{}'::jsonb",
        "ARRAY['t'], '[]'::jsonb",
    ] {
        database.ask(&as_role(&format!("SELECT @.publish({published})")));
    }
    let mut came = stream.data(4);
    came.sort();
    assert_eq!(came, ["[]", "text", "topics", "{}"]);
    for forbidden in [
        "SELECT * FROM @.events",
        "SELECT * FROM @.settings",
        "DELETE FROM @.outbox",
        "INSERT INTO @.outbox (packed, topics, cost) VALUES ('', '', 1)",
        "SELECT @.trim(1, '', 1, 1, 1, true)",
        "SELECT @.keep_position_key('')",
        "SELECT * FROM @.presence_users",
        "SELECT @.presence_write('', 1, '{}', '{}', '{}', '{}')",
        "SELECT @.live_published('presence', '', 1)",
        "SELECT @.erase(1, '', 1, 1, 1, 1, 't', false, 0, 0, NULL, NULL, 1, 1, 1)",
    ] {
        let denied = database.error(&as_role(forbidden));
        assert!(
            denied.contains("permission denied"),
            "{forbidden}: {denied}"
        );
    }
}

#[test]
fn names_that_an_application_makes_do_not_change_what_publish_does() {
    let database = Database::new();
    let node = database.node(&[]);
    let mut stream = node.subscribe("/events?topic=t");
    stream.until("connected");
    // A function of this name in a schema that comes first would run with the rights of the owner.
    database.ask(
        "CREATE SCHEMA evil_@; CREATE FUNCTION evil_@.octet_length(text) RETURNS integer LANGUAGE sql AS 'SELECT 1 / 0'; \
         SET search_path = evil_@, pg_catalog; SELECT @.publish('t', 'safe')",
    );
    assert_eq!(stream.data(1), ["safe"]);
}
