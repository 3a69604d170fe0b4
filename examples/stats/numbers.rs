//! The three numbers: how they are counted, and how they are told.

use datastar::{DatastarEvent, prelude::PatchSignals};
use rusqlite::Connection;
use serde::Serialize;

use super::feed::View;

/// As signals of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Numbers {
    #[serde(rename = "projectCount")]
    pub projects: i64,
    #[serde(rename = "userCount")]
    pub users: i64,
    #[serde(rename = "connectionCount")]
    pub connections: i64,
}

/// The view of all three.
#[derive(Debug, Clone, Copy)]
pub struct NumbersView;

impl View for NumbersView {
    type Data = Numbers;

    /// In one statement, so that they are of one moment.
    fn read(&self, database: &Connection) -> rusqlite::Result<Numbers> {
        let counts = "SELECT (SELECT count(*) FROM projects), (SELECT count(*) FROM users),
                             (SELECT count(*) FROM connections)";
        database.query_row(counts, [], |row| {
            Ok(Numbers {
                projects: row.get(0)?,
                users: row.get(1)?,
                connections: row.get(2)?,
            })
        })
    }

    fn patches(&self, numbers: &Numbers) -> Result<Vec<DatastarEvent>, askama::Error> {
        let signals = serde_json::to_string(numbers).map_err(askama::Error::custom)?;
        Ok(vec![PatchSignals::new(signals).into()])
    }
}
