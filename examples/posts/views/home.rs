//! The page.

use askama::Template;

use super::fragments::{Article, articles};
use crate::data::{Page, PostId};

/// What stands in the form for a new post.
#[derive(Debug, Clone)]
pub struct Draft {
    pub username: String,
    pub message: String,
}

impl Draft {
    pub fn named(username: &str) -> Self {
        Self {
            username: username.to_owned(),
            message: String::new(),
        }
    }
}

#[derive(Template)]
#[template(path = "home.html")]
struct Home<'a> {
    articles: Vec<Article<'a>>,
    /// The last that is shown.
    oldest: PostId,
    has_older: bool,
    before: Option<PostId>,
    position: &'a str,
    draft: &'a Draft,
    /// Fragments as the stream has them, newest first.
    notifications: &'a [String],
}

/// The newest posts, or those before one, as of a position in the stream.
pub fn home(
    page: &Page,
    before: Option<PostId>,
    position: &str,
    draft: &Draft,
    notifications: &[String],
) -> askama::Result<String> {
    let home = Home {
        articles: articles(&page.posts),
        oldest: page.posts.last().map_or(0, |post| post.id),
        has_older: page.has_older,
        before,
        position,
        draft,
        notifications,
    };
    home.render()
}
