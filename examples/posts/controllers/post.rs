//! Changes to a post that is there. Only its author may make them, and that is asked here and not in
//! the page, which merely hides the controls from others.

use actix_web::{HttpRequest, HttpResponse, http::header, web};

use super::{
    Refusal, State,
    fields::{self, Fields, JsonOrForm},
    visitor::Visitor,
};
use crate::{
    data::{Message, Post, PostId, WriteError},
    views,
};

/// `GET /home/posts/{id}/edit`: the form, to stand in the page or as a page of its own.
pub async fn edit(
    request: HttpRequest,
    id: Result<web::Path<PostId>, actix_web::Error>,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    let post = find(&state, number(id)?).await?;
    let visitor = Visitor::of(&request, &state.posts).await?;
    if post.author != visitor.author.id {
        return Err(WriteError::NotTheirs.into());
    }
    let mut answer = HttpResponse::Ok();
    let html = if fields::is_from_htmx(&request) {
        views::edit_form(&post)?
    } else {
        views::guard(&mut answer);
        views::edit_page(&post)?
    };
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(answer.content_type(views::HTML).body(html))
}

/// `POST /home/posts/{id}`.
pub async fn save(
    request: HttpRequest,
    id: Result<web::Path<PostId>, actix_web::Error>,
    state: web::Data<State>,
    fields: Result<JsonOrForm<Fields>, Refusal>,
) -> Result<HttpResponse, Refusal> {
    state.check_writer(&request)?;
    let JsonOrForm(fields) = fields?;
    let id = number(id)?;
    let visitor = Visitor::of(&request, &state.posts).await?;
    let message = Message::new(fields.message()?).map_err(Refusal::unprocessable)?;
    state.posts.edit(id, visitor.author.id, message).await?;
    done(&request)
}

/// `POST /home/posts/{id}/delete`.
pub async fn delete(
    request: HttpRequest,
    id: Result<web::Path<PostId>, actix_web::Error>,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    state.check_writer(&request)?;
    let visitor = Visitor::of(&request, &state.posts).await?;
    state.posts.delete(number(id)?, visitor.author.id).await?;
    done(&request)
}

/// The change itself comes by the stream, to whoever made it as to all others.
pub(super) fn done(request: &HttpRequest) -> Result<HttpResponse, Refusal> {
    if fields::is_from_htmx(request) {
        let body = views::no_notice()?;
        Ok(HttpResponse::Ok().content_type(views::HTML).body(body))
    } else if fields::is_json(request) {
        Ok(HttpResponse::NoContent().finish())
    } else {
        Ok(views::see_home())
    }
}

pub(super) fn number(id: Result<web::Path<PostId>, actix_web::Error>) -> Result<PostId, Refusal> {
    let id = id.map_err(|_| Refusal::missing("Posts have numbers, as in /home/posts/7."))?;
    Ok(id.into_inner())
}

pub(super) async fn find(state: &State, id: PostId) -> Result<Post, Refusal> {
    let post = state.posts.find(id).await?;
    Ok(post.ok_or(WriteError::Missing)?)
}
