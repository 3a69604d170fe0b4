//! The posts, in a database of one file, and what of their changes is still to be announced. Nothing
//! here knows of HTTP, HTML or streams.

mod database;
mod outbox;
mod post;
mod posts;
mod schema;
mod secrets;

pub use database::Unavailable;
pub use outbox::{Announcement, Change};
pub use post::{Author, MAX_MESSAGE_CHARS, MAX_USERNAME_CHARS, Message, Post, PostId, Username};
pub use posts::{Page, Posts, WriteError};
