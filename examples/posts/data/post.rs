//! What a post is. Names and messages can only be made valid.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

pub const MAX_USERNAME_CHARS: usize = 40;
pub const MAX_MESSAGE_CHARS: usize = 1_000;

/// Given in order, and never again, also when its post is deleted.
pub type PostId = i64;

#[derive(Debug, Clone)]
pub struct Post {
    pub id: PostId,
    /// The public id of who wrote it.
    pub author: String,
    pub username: String,
    pub message: String,
    pub created_ms: i64,
    pub is_edited: bool,
}

impl Post {
    /// When it was written, as RFC 3339.
    #[must_use]
    pub fn time(&self) -> String {
        let since = Duration::from_millis(self.created_ms.try_into().unwrap_or_default());
        humantime::format_rfc3339_seconds(SystemTime::UNIX_EPOCH + since).to_string()
    }
}

/// Somebody who has written: the browser that brings this id together with this secret.
#[derive(Clone)]
pub struct Author {
    pub id: String,
    /// Never in an answer but in the browser's own cookie.
    pub secret: String,
    pub name: String,
}

impl fmt::Debug for Author {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Author")
            .field("id", &self.id)
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Of one line, at most [`MAX_USERNAME_CHARS`] long.
#[derive(Debug, Clone)]
pub struct Username(String);

impl Username {
    /// # Errors
    /// A sentence for whoever typed it.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err("A name is one line of text, without control characters.".into());
        }
        check_length("name", text, MAX_USERNAME_CHARS)?;
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

/// Text of at most [`MAX_MESSAGE_CHARS`]; line ends, as browsers send them, count as one.
#[derive(Debug, Clone)]
pub struct Message(String);

impl Message {
    /// # Errors
    /// A sentence for whoever typed it.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let text = text.trim();
        if text.contains('\0') {
            return Err("A message is text; this one holds a NUL character.".into());
        }
        check_length("message", text, MAX_MESSAGE_CHARS)?;
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

fn check_length(what: &str, text: &str, max: usize) -> Result<(), String> {
    match text.chars().count() {
        0 => Err(format!(
            "The {what} is empty; it takes 1 to {max} characters."
        )),
        length if length > max => Err(format!(
            "The {what} has {length} characters; it takes {max} at most."
        )),
        _ => Ok(()),
    }
}
