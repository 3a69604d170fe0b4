//! Pages that stand alone, for browsers without scripts.

use askama::Template;

use super::home::Draft;
use crate::data::Post;

#[derive(Template)]
#[template(path = "edit-page.html")]
struct EditPage<'a> {
    post: &'a Post,
}

pub fn edit_page(post: &Post) -> askama::Result<String> {
    EditPage { post }.render()
}

#[derive(Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    sentence: &'a str,
    draft: Option<&'a Draft>,
}

/// What was wrong, and the form again with what was typed.
pub fn refused(sentence: &str, draft: Option<&Draft>) -> askama::Result<String> {
    Refused { sentence, draft }.render()
}
