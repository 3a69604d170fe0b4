//! Thanks for a post, of which its author is notified.

use actix_web::{HttpRequest, HttpResponse, web};

use super::{
    Refusal, State,
    post::{done, find, number},
    visitor::Visitor,
};
use crate::{data::PostId, notifications};

/// `POST /home/posts/{id}/thank`.
pub async fn thank(
    request: HttpRequest,
    id: Result<web::Path<PostId>, actix_web::Error>,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    state.check_writer(&request)?;
    let post = find(&state, number(id)?).await?;
    let visitor = Visitor::of(&request, &state.posts).await?;
    if visitor.is_new() {
        return Err(Refusal::forbidden(
            "Open the page first: its cookie says who is grateful.",
        ));
    }
    if post.author == visitor.author.id {
        return Err(Refusal::unprocessable("This post is your own."));
    }
    let thanked =
        notifications::thank(&state.posts, &state.broadcaster, &post, &visitor.author).await;
    thanked.map_err(|error| {
        log::error!("a notification was not published: {error}");
        Refusal::from(crate::data::Unavailable)
    })?;
    done(&request)
}
