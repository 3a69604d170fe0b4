//! Changes that are still to be announced. Each is written in the transaction of the change itself,
//! so there is none without the other.

use rusqlite::{Connection, Row, Transaction};

use super::{Post, PostId, posts};

/// What happened to a post. An announcement shows the post as it is when it is read, so one that is
/// gone by then is announced as deleted, and the announcement of that follows.
#[derive(Debug)]
pub enum Change {
    Created(Post),
    Edited(Post),
    Deleted(PostId),
}

#[derive(Debug)]
pub struct Announcement {
    /// Increases by time, and never comes again.
    pub number: i64,
    pub change: Change,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Created,
    Edited,
    Deleted,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Edited => "edited",
            Self::Deleted => "deleted",
        }
    }
}

pub(super) fn put(transaction: &Transaction, kind: Kind, post: PostId) -> rusqlite::Result<()> {
    transaction.execute(
        "INSERT INTO outbox (post, change) VALUES (?, ?)",
        (post, kind.as_str()),
    )?;
    Ok(())
}

/// The oldest ones, in order.
pub(super) fn oldest(connection: &Connection, limit: u32) -> rusqlite::Result<Vec<Announcement>> {
    let numbered = connection
        .prepare("SELECT number, post, change FROM outbox ORDER BY number LIMIT ?")?
        .query_map([limit], |row: &Row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, String>(2)?))
        })?
        .collect::<rusqlite::Result<Vec<(i64, PostId, String)>>>()?;
    let announcements = numbered.into_iter().map(|(number, id, kind)| {
        let change = match posts::find(connection, id)? {
            Some(post) if kind == Kind::Created.as_str() => Change::Created(post),
            Some(post) => Change::Edited(post),
            None => Change::Deleted(id),
        };
        Ok(Announcement { number, change })
    });
    announcements.collect()
}

pub(super) fn remove(connection: &Connection, up_to: i64) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM outbox WHERE number <= ?", [up_to])?;
    Ok(())
}
