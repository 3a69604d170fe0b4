//! Posts and their authors: read in pages, written together with the announcement of the change.

use std::{
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use tokio::sync::Notify;

use super::{
    Announcement, Author, Message, Post, PostId, Unavailable, Username,
    database::Database,
    outbox::{self, Kind},
    schema::Identity,
    secrets::{self, Issuer},
};

/// Most posts that one page shows.
const PAGE_POSTS: u32 = 20;

const COLUMNS: &str = "id, author, username, message, created_ms, edited_ms IS NOT NULL";

/// A handle on all posts.
#[derive(Debug, Clone)]
pub struct Posts {
    database: Database,
    identity: Arc<Identity>,
    changed: Arc<Notify>,
}

/// Posts from the newest to the oldest.
#[derive(Debug)]
pub struct Page {
    pub posts: Vec<Post>,
    pub has_older: bool,
}

/// Somebody who has written, as the database has it.
pub struct Known {
    secret_hash: String,
    pub name: String,
}

impl Known {
    #[must_use]
    pub fn has(&self, secret: &str) -> bool {
        secrets::matches(&self.secret_hash, secret)
    }
}

/// Why a change was not made.
#[derive(Debug)]
pub enum WriteError {
    /// There is no such post, or no longer.
    Missing,
    /// Somebody else wrote it.
    NotTheirs,
    Unavailable,
}

impl From<Unavailable> for WriteError {
    fn from(_: Unavailable) -> Self {
        Self::Unavailable
    }
}

impl Posts {
    /// # Errors
    /// A sentence that names the file.
    pub fn open(path: &Path) -> Result<Self, String> {
        let (database, identity) = Database::open(path)?;
        Ok(Self {
            database,
            identity: identity.into(),
            changed: Arc::default(),
        })
    }

    /// Of this database, and no other.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.identity.id
    }

    /// What proves the cookies that this database's server gave out.
    #[must_use]
    pub fn issuer(&self) -> &Issuer {
        &self.identity.issuer
    }

    /// The newest, or the newest of those that are older than one.
    pub async fn page(&self, before: Option<PostId>) -> Result<Page, Unavailable> {
        let before = before.unwrap_or(PostId::MAX);
        let read = self
            .database
            .call(move |connection| newest(connection, before));
        let mut posts = read.await?;
        let has_older = posts.len() > PAGE_POSTS as usize;
        posts.truncate(PAGE_POSTS as usize);
        Ok(Page { posts, has_older })
    }

    pub async fn find(&self, id: PostId) -> Result<Option<Post>, Unavailable> {
        self.database
            .call(move |connection| find(connection, id))
            .await
    }

    pub async fn author(&self, id: String) -> Result<Option<Known>, Unavailable> {
        self.database
            .call(move |connection| author(connection, &id))
            .await
    }

    /// Keeps a new post, and that its author is called so from now on.
    pub async fn create(
        &self,
        author: Author,
        username: Username,
        message: Message,
    ) -> Result<Post, WriteError> {
        let named = Author {
            name: username.into_string(),
            ..author
        };
        let write = move |transaction: &Transaction| {
            if !keep_author(transaction, &named)? {
                return Ok(Err(WriteError::NotTheirs));
            }
            transaction.execute(
                "INSERT INTO posts (author, username, message, created_ms) VALUES (?, ?, ?, ?)",
                (&named.id, &named.name, message.into_string(), now_ms()),
            )?;
            let id = transaction.last_insert_rowid();
            outbox::put(transaction, Kind::Created, id)?;
            Ok(find(transaction, id)?.ok_or(WriteError::Missing))
        };
        self.write(write).await
    }

    /// Changes the message of a post of this author's.
    pub async fn edit(
        &self,
        id: PostId,
        author: String,
        message: Message,
    ) -> Result<(), WriteError> {
        let write = move |transaction: &Transaction| {
            if let Err(refused) = check_author(transaction, id, &author)? {
                return Ok(Err(refused));
            }
            transaction.execute(
                "UPDATE posts SET message = ?, edited_ms = ? WHERE id = ?",
                (message.into_string(), now_ms(), id),
            )?;
            outbox::put(transaction, Kind::Edited, id)?;
            Ok(Ok(()))
        };
        self.write(write).await
    }

    /// Deletes a post of this author's.
    pub async fn delete(&self, id: PostId, author: String) -> Result<(), WriteError> {
        let write = move |transaction: &Transaction| {
            if let Err(refused) = check_author(transaction, id, &author)? {
                return Ok(Err(refused));
            }
            transaction.execute("DELETE FROM posts WHERE id = ?", [id])?;
            outbox::put(transaction, Kind::Deleted, id)?;
            Ok(Ok(()))
        };
        self.write(write).await
    }

    /// The oldest changes that are not announced yet, in order.
    pub async fn unannounced(&self, limit: u32) -> Result<Vec<Announcement>, Unavailable> {
        let read = self
            .database
            .call(move |connection| outbox::oldest(connection, limit));
        read.await
    }

    /// All up to this number were.
    pub async fn announced(&self, up_to: i64) -> Result<(), Unavailable> {
        let write = self
            .database
            .call(move |connection| outbox::remove(connection, up_to));
        write.await
    }

    /// Waits for a change since the last wait.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }

    /// One transaction, which is kept only if `write` changed what it was to change.
    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Transaction) -> rusqlite::Result<Result<T, WriteError>> + Send + 'static,
    ) -> Result<T, WriteError> {
        let changed = Arc::clone(&self.changed);
        let call = move |connection: &mut Connection| {
            let transaction = connection.transaction()?;
            let written = write(&transaction)?;
            if written.is_ok() {
                transaction.commit()?;
                // Here, because whoever asked may be gone.
                changed.notify_one();
            }
            Ok(written)
        };
        self.database.call(call).await?
    }
}

pub(super) fn find(connection: &Connection, id: PostId) -> rusqlite::Result<Option<Post>> {
    let sql = format!("SELECT {COLUMNS} FROM posts WHERE id = ?");
    connection.query_row(&sql, [id], post).optional()
}

/// One more than a page has, to tell whether there are older ones.
fn newest(connection: &Connection, before: PostId) -> rusqlite::Result<Vec<Post>> {
    let sql = format!("SELECT {COLUMNS} FROM posts WHERE id < ? ORDER BY id DESC LIMIT ?");
    let mut statement = connection.prepare(&sql)?;
    let posts = statement.query_map((before, PAGE_POSTS + 1), post)?;
    posts.collect()
}

fn post(row: &Row) -> rusqlite::Result<Post> {
    Ok(Post {
        id: row.get(0)?,
        author: row.get(1)?,
        username: row.get(2)?,
        message: row.get(3)?,
        created_ms: row.get(4)?,
        is_edited: row.get(5)?,
    })
}

fn author(connection: &Connection, id: &str) -> rusqlite::Result<Option<Known>> {
    let sql = "SELECT secret, name FROM authors WHERE id = ?";
    let known = connection.query_row(sql, [id], |row| {
        Ok(Known {
            secret_hash: row.get(0)?,
            name: row.get(1)?,
        })
    });
    known.optional()
}

/// Whether it was: an id belongs to the secret that it came with first.
fn keep_author(transaction: &Transaction, author: &Author) -> rusqlite::Result<bool> {
    let kept = transaction.execute(
        "INSERT INTO authors (id, secret, name) VALUES (?, ?, ?)
         ON CONFLICT (id) DO UPDATE SET name = excluded.name WHERE secret = excluded.secret",
        (&author.id, secrets::hash(&author.secret), &author.name),
    )?;
    Ok(kept == 1)
}

fn check_author(
    transaction: &Transaction,
    id: PostId,
    author: &str,
) -> rusqlite::Result<Result<(), WriteError>> {
    Ok(match find(transaction, id)? {
        None => Err(WriteError::Missing),
        Some(post) if post.author != author => Err(WriteError::NotTheirs),
        Some(_) => Ok(()),
    })
}

fn now_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |since| since.as_millis().try_into().unwrap_or(i64::MAX))
}
