//! What a new database holds.

use rusqlite::{Connection, params};

use super::names::{project_name, user_name};

const USERS: i64 = 5_892;
const PROJECTS: i64 = 1_247;
const CONNECTIONS: i64 = 18_453;

/// Fills the empty tables.
pub fn fill(database: &Connection) -> rusqlite::Result<()> {
    let mut user = database.prepare("INSERT INTO users (id, name) VALUES (?1, ?2)")?;
    for (n, id) in (0..).zip(1..=USERS) {
        user.execute(params![id, user_name(n)])?;
    }
    let mut project = database.prepare("INSERT INTO projects (name, owner) VALUES (?1, ?2)")?;
    for (n, id) in (0..).zip(1..=PROJECTS) {
        project.execute(params![project_name(n), id])?;
    }
    let mut connection =
        database.prepare("INSERT INTO connections (one, other) VALUES (?1, ?2)")?;
    for n in 0..CONNECTIONS {
        let one = n % USERS;
        let other = (one + 1 + n / USERS) % USERS;
        connection.execute(params![one + 1, other + 1])?;
    }
    // A minute between one and the next, the last a minute ago.
    let mut activity = database.prepare(
        "INSERT INTO activity (user, action, time)
         VALUES (?1, ?2, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', ?3))",
    )?;
    for (n, minutes) in (1..=10).rev().enumerate() {
        let action = format!("started the project {}", project_name(n));
        activity.execute(params![user_name(n), action, format!("-{minutes} minutes")])?;
    }
    Ok(())
}
