//! Whose activity a list shows.

use std::fmt;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// Most users that one list may be of.
pub const MAX_USERS: usize = 8;
/// Longest name of a user, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// Users, sorted and without repeats, so that lists of the same users are one list; nobody in
/// particular means everybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter(Vec<String>);

/// Why there is no such list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    TooManyUsers,
    NameTooLong,
    ControlCharacter,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyUsers => write!(f, "a list is of at most {MAX_USERS} users"),
            Self::NameTooLong => write!(f, "a user's name has at most {MAX_NAME_CHARS} characters"),
            Self::ControlCharacter => f.write_str("a user's name holds no control characters"),
        }
    }
}

impl std::error::Error for Refused {}

impl Filter {
    /// Of all parameters of a query those that are named `user`. Empty ones, as an empty field of a
    /// form sends them, ask for nobody.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn of_query(query: &[(String, String)]) -> Result<Self, Refused> {
        let named = query.iter().filter(|(name, _)| name == "user");
        let users = named.map(|(_, user)| user.trim().to_owned());
        let mut users: Vec<String> = users.filter(|user| !user.is_empty()).collect();
        users.sort_unstable();
        users.dedup();
        if users.len() > MAX_USERS {
            return Err(Refused::TooManyUsers);
        }
        if users
            .iter()
            .any(|user| user.chars().count() > MAX_NAME_CHARS)
        {
            return Err(Refused::NameTooLong);
        }
        if users.iter().any(|user| user.contains(char::is_control)) {
            return Err(Refused::ControlCharacter);
        }
        Ok(Self(users))
    }

    pub fn of_one(user: &str) -> Self {
        Self(vec![user.to_owned()])
    }

    pub fn users(&self) -> &[String] {
        &self.0
    }

    pub fn is_everybody(&self) -> bool {
        self.0.is_empty()
    }

    pub fn without(&self, user: &str) -> Self {
        Self(
            self.0
                .iter()
                .filter(|name| *name != user)
                .cloned()
                .collect(),
        )
    }

    /// `path` with a query that asks for this list.
    pub fn link(&self, path: &str) -> String {
        let mut link = path.to_owned();
        for (place, user) in self.0.iter().enumerate() {
            link.push(if place == 0 { '?' } else { '&' });
            link.push_str("user=");
            link.extend(utf8_percent_encode(user, NON_ALPHANUMERIC));
        }
        link
    }
}
