//! Rules by topic in PostgreSQL.

use crate::{
    postgres::nodes::Database,
    streams::topic_rules::{RULES, rules_hold_on_every_node},
};

#[test]
fn rules_hold_on_every_node_that_shares_a_log_in_postgres() {
    let database = Database::new();
    let settings = [&RULES[..], &["--window-events", "40"]].concat();
    rules_hold_on_every_node(&[0, 1].map(|_| database.node(&settings)));
}
