//! Parts of the page, as they stand in it, and as the stream and the answers to htmx bring them.

use askama::Template;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use super::home::Draft;
use crate::data::{Author, Change, Post, PostId};

/// A post as templates show it.
#[derive(Debug)]
pub struct Article<'a> {
    pub post: &'a Post,
    /// As RFC 3339, and as people read it until `posts.js` says it in their own way.
    pub time: String,
    pub readable_time: String,
    pub avatar: String,
}

impl<'a> From<&'a Post> for Article<'a> {
    fn from(post: &'a Post) -> Self {
        let time = post.time();
        let minutes = time.rsplit_once(':').map_or(&*time, |(minutes, _)| minutes);
        Self {
            readable_time: format!("{} UTC", minutes.replace('T', " ")),
            time,
            avatar: avatar_of(&post.username),
            post,
        }
    }
}

pub fn articles(posts: &[Post]) -> Vec<Article<'_>> {
    posts.iter().map(Article::from).collect()
}

fn avatar_of(username: &str) -> String {
    format!(
        "/avatar.svg?name={}",
        utf8_percent_encode(username, NON_ALPHANUMERIC)
    )
}

/// For who posted JSON.
pub fn as_json(post: &Post) -> serde_json::Value {
    serde_json::json!({
        "id": post.id,
        "username": post.username,
        "message": post.message,
        "time": post.time(),
        "avatar": avatar_of(&post.username),
    })
}

#[derive(Template)]
#[template(path = "change.html")]
struct ChangeFragment<'a> {
    name: &'static str,
    id: PostId,
    article: Option<Article<'a>>,
}

/// One event of the stream: rendered once, and the same for everybody.
pub fn change(change: &Change) -> askama::Result<String> {
    let (name, id, post) = match change {
        Change::Created(post) => ("created", post.id, Some(post)),
        Change::Edited(post) => ("edited", post.id, Some(post)),
        Change::Deleted(id) => ("deleted", *id, None),
    };
    let article = post.map(Article::from);
    ChangeFragment { name, id, article }.render()
}

/// Most characters of a message that a notification repeats.
const EXCERPT_CHARS: usize = 40;

#[derive(Template)]
#[template(path = "notification.html")]
struct Notification<'a> {
    post: PostId,
    visitor: &'a str,
    name: &'a str,
    excerpt: String,
}

/// That this visitor thanks the author of this post.
pub fn notification(post: &Post, visitor: &Author) -> askama::Result<String> {
    let mut excerpt: String = post.message.chars().take(EXCERPT_CHARS).collect();
    if excerpt.len() < post.message.len() {
        excerpt.push('…');
    }
    let notification = Notification {
        post: post.id,
        visitor: &visitor.id,
        name: &visitor.name,
        excerpt,
    };
    notification.render()
}

#[derive(Template)]
#[template(path = "posted.html")]
struct Posted<'a> {
    draft: &'a Draft,
}

/// The form for the next post, in place of the one that was sent.
pub fn compose(draft: &Draft) -> askama::Result<String> {
    Posted { draft }.render()
}

#[derive(Template)]
#[template(path = "edit.html")]
struct EditForm<'a> {
    post: &'a Post,
}

pub fn edit_form(post: &Post) -> askama::Result<String> {
    EditForm { post }.render()
}

#[derive(Template)]
#[template(source = r#"<p>{{ sentence }}</p>"#, ext = "html")]
struct Notice<'a> {
    sentence: &'a str,
}

/// What was refused, for the line at the foot of the page.
pub fn notice(sentence: &str) -> askama::Result<String> {
    Notice { sentence }.render()
}

#[derive(Template)]
#[template(path = "no-notice.html")]
struct NoNotice;

/// Takes away what an earlier refusal left there.
pub fn no_notice() -> askama::Result<String> {
    NoNotice.render()
}
