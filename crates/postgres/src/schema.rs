//! The schema of the log: its name, and how its tables and functions are made and upgraded.

use std::fmt;

use tokio_postgres::{Client, Transaction, error::SqlState};

use super::error::PgError;

/// Of the tables and functions; each change of `sql/` increases it. Nodes of the version before go on running: what they
/// call keeps its parameters and what it returns.
const VERSION: i32 = 4;
/// The oldest version of PostgreSQL that is known to work.
const OLDEST_SERVER: i32 = 130_000;
const MAX_NAME_BYTES: usize = 50;

/// How long an upgrade waits for the transactions of others, while which nobody appends; then it is tried again later.
const LOCKED_WITHIN: &str = "SET LOCAL lock_timeout = '1s'";
/// What takes the tables from each version to the next, the first from none.
const UPGRADES: [&str; 4] = [
    include_str!("sql/tables.sql"),
    include_str!("sql/version_2.sql"),
    include_str!("sql/version_3.sql"),
    include_str!("sql/version_4.sql"),
];
/// In their order; the last one takes the rights to all of them from everybody else.
const FUNCTIONS: [&str; 10] = [
    include_str!("sql/append.sql"),
    include_str!("sql/upkeep.sql"),
    include_str!("sql/erase.sql"),
    include_str!("sql/read.sql"),
    include_str!("sql/newest.sql"),
    include_str!("sql/epoch.sql"),
    include_str!("sql/live.sql"),
    include_str!("sql/presence.sql"),
    include_str!("sql/subscriptions.sql"),
    include_str!("sql/publish.sql"),
];

/// The name of the schema, which needs no escape in any place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schema(String);

impl Schema {
    pub(super) fn new(name: &str) -> Result<Self, String> {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let begins_well = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
        if !begins_well
            || !name.chars().all(is_plain)
            || name.len() > MAX_NAME_BYTES
            || name.starts_with("pg_")
        {
            return Err(format!(
                "{name} cannot be the schema: write 1 to {MAX_NAME_BYTES} of a-z, 0-9 and _, beginning with a letter, \
                 and not with pg_"
            ));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name of the channel that notifies nodes of `what`.
    pub(super) fn channel(&self, what: &str) -> String {
        format!("{}_{what}", self.0)
    }

    /// SQL of this crate, on this schema.
    pub(super) fn apply(&self, sql: &str) -> String {
        sql.replace("@schema@", &format!("\"{}\"", self.0))
            .replace("@channel@", &self.0)
    }
}

impl fmt::Display for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Makes the tables and functions, or upgrades them, if this has to be done. Any number of nodes may do so at once.
pub(super) async fn prepare(
    client: &mut Client,
    schema: &Schema,
    max_event_bytes: i64,
) -> Result<(), PgError> {
    check_server(client).await?;
    if version(client, schema).await? != VERSION {
        let done = async {
            let transaction = client.transaction().await?;
            make(&transaction, schema).await?;
            transaction.commit().await?;
            Ok(())
        };
        done.await.map_err(|error: PgError| denied(schema, error))?;
    }
    let bound = schema
        .apply("UPDATE @schema@.settings SET max_event_bytes = $1 WHERE max_event_bytes <> $1");
    client.execute(&bound, &[&max_event_bytes]).await?;
    Ok(())
}

async fn check_server(client: &Client) -> Result<(), PgError> {
    let row = client
        .query_one(
            "SELECT current_setting('server_version_num')::integer, current_setting('server_version'), \
             current_setting('server_encoding')",
            &[],
        )
        .await?;
    let (number, version, encoding): (i32, &str, &str) = (row.get(0), row.get(1), row.get(2));
    if number < OLDEST_SERVER {
        let oldest = OLDEST_SERVER / 10_000;
        return Err(PgError::own(format!(
            "it is PostgreSQL {version}, and {oldest} or later is needed"
        )));
    }
    if encoding != "UTF8" {
        return Err(PgError::own(format!(
            "the encoding of the database is {encoding}, and UTF8 is needed: CREATE DATABASE … ENCODING 'UTF8'"
        )));
    }
    Ok(())
}

/// The version of the tables; 0 where there are none.
async fn version(client: &Client, schema: &Schema) -> Result<i32, PgError> {
    let ask = schema.apply("SELECT version FROM @schema@.settings");
    let version = match client.query_opt(&ask, &[]).await {
        Ok(row) => row.map_or(0, |row| row.get(0)),
        Err(error) if is_absent(&error) => 0,
        Err(error) => return Err(error.into()),
    };
    check_version(schema, version)?;
    Ok(version)
}

fn is_absent(error: &tokio_postgres::Error) -> bool {
    let absent = [SqlState::UNDEFINED_TABLE, SqlState::INVALID_SCHEMA_NAME];
    error.code().is_some_and(|code| absent.contains(code))
}

fn check_version(schema: &Schema, version: i32) -> Result<(), PgError> {
    if version > VERSION {
        return Err(PgError::own(format!(
            "the schema {schema} has version {version}, and this node knows {VERSION}: upgrade the node"
        )));
    }
    Ok(())
}

async fn make(transaction: &Transaction<'_>, schema: &Schema) -> Result<(), PgError> {
    let name = schema.to_string();
    let lock = "SELECT pg_advisory_xact_lock(hashtextextended($1 || '_schema', 0))";
    transaction.execute(lock, &[&name]).await?;
    let exists =
        "SELECT to_regnamespace($1) IS NOT NULL, to_regclass($1 || '.settings') IS NOT NULL";
    let row = transaction.query_one(exists, &[&name]).await?;
    let (has_schema, has_tables): (bool, bool) = (row.get(0), row.get(1));
    if !has_schema {
        let create = schema.apply("CREATE SCHEMA @schema@");
        transaction.batch_execute(&create).await?;
    }
    let known = if has_tables {
        let ask = schema.apply("SELECT version FROM @schema@.settings");
        let row = transaction.query_opt(&ask, &[]).await?;
        row.map_or(0, |row| row.get(0))
    } else {
        0
    };
    check_version(schema, known)?;
    if known == VERSION {
        // Another node was faster.
        return Ok(());
    }
    transaction.batch_execute(LOCKED_WITHIN).await?;
    let known = usize::try_from(known).unwrap_or(0);
    for sql in UPGRADES.iter().skip(known).chain(&FUNCTIONS) {
        transaction.batch_execute(&schema.apply(sql)).await?;
    }
    let set = "INSERT INTO @schema@.settings (version) VALUES ($1) ON CONFLICT (is_only) DO UPDATE SET version = $1";
    transaction.execute(&schema.apply(set), &[&VERSION]).await?;
    Ok(())
}

fn denied(schema: &Schema, error: PgError) -> PgError {
    if !error.is_denied() {
        return error;
    }
    PgError::own(format!(
        "the schema {schema} cannot be made or upgraded: {error}; have the role own it: CREATE SCHEMA {schema} \
         AUTHORIZATION <role>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_schema_needs_no_escape() {
        for good in ["sse_broadcaster", "_a", "a1"] {
            assert!(Schema::new(good).is_ok(), "{good}");
        }
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        for bad in ["", "1a", "A", "a-b", "a\"b", "a'b", "pg_a", "ä", &long] {
            assert!(Schema::new(bad).is_err(), "{bad}");
        }
    }
}
