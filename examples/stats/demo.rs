//! The demo writer: users who join, start projects, find each other and say what they do, so that
//! there is something to watch.

use std::time::Duration;

use rusqlite::{Transaction, params};

use super::database::{Database, names};

/// Most that is done in one transaction.
const MOST_AT_ONCE: usize = 3;
/// How much of the activity is kept; older rows make room.
const KEPT_ACTIVITY: i64 = 100_000;

/// Writes until the process ends, every `interval` on average, and never evenly.
pub async fn run(database: Database, interval: Duration) {
    loop {
        tokio::time::sleep(interval.mul_f64(0.3 + 1.4 * fastrand::f64())).await;
        let written = database.write(|transaction| {
            for _ in 0..fastrand::usize(1..=MOST_AT_ONCE) {
                one_deed(transaction)?;
            }
            forget(transaction)
        });
        if let Err(error) = written.await {
            eprintln!("stats: the demo writer wrote nothing: {error}");
        }
    }
}

fn one_deed(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    match fastrand::u8(0..10) {
        0..=1 => join(transaction),
        2..=4 => start_project(transaction),
        5..=7 => connect(transaction),
        _ => comment(transaction),
    }
}

fn join(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let users = last_user(transaction)?;
    let name = names::user_name(usize::try_from(users).unwrap_or_default());
    // Taken only where somebody else added users, too.
    if transaction.execute("INSERT OR IGNORE INTO users (name) VALUES (?1)", [&name])? == 1 {
        report(transaction, &name, "joined")?;
    }
    Ok(())
}

fn start_project(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let (owner, user) = anybody(transaction)?;
    let project = any_project();
    transaction.execute(
        "INSERT INTO projects (name, owner) VALUES (?1, ?2)",
        params![project, owner],
    )?;
    report(
        transaction,
        &user,
        &format!("started the project {project}"),
    )
}

fn connect(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let ((one, user), (other, friend)) = (anybody(transaction)?, anybody(transaction)?);
    if one == other {
        return Ok(());
    }
    transaction.execute(
        "INSERT INTO connections (one, other) VALUES (?1, ?2)",
        [one, other],
    )?;
    report(transaction, &user, &format!("connected with {friend}"))
}

fn comment(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let (_, user) = anybody(transaction)?;
    report(
        transaction,
        &user,
        &format!("commented on {}", any_project()),
    )
}

fn report(transaction: &Transaction<'_>, user: &str, action: &str) -> rusqlite::Result<()> {
    let insert = "INSERT INTO activity (user, action) VALUES (?1, ?2)";
    transaction.execute(insert, [user, action]).map(drop)
}

fn forget(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let delete = "DELETE FROM activity WHERE id <= (SELECT max(id) FROM activity) - ?1";
    transaction.execute(delete, [KEPT_ACTIVITY]).map(drop)
}

fn anybody(transaction: &Transaction<'_>) -> rusqlite::Result<(i64, String)> {
    let users = last_user(transaction)?;
    let user = "SELECT id, name FROM users WHERE id >= ?1 ORDER BY id LIMIT 1";
    let id = fastrand::i64(1..=users.max(1));
    transaction.query_row(user, [id], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn any_project() -> String {
    names::project_name(fastrand::usize(0..1_000))
}

/// The largest id of a user, or 0 where there is none.
fn last_user(transaction: &Transaction<'_>) -> rusqlite::Result<i64> {
    let largest = "SELECT coalesce(max(id), 0) FROM users";
    transaction.query_row(largest, [], |row| row.get(0))
}
