//! The page, its stream, and new posts.

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    http::{Method, header},
    web,
};
use serde::Deserialize;
use sse_broadcaster::event::Invalid;
use sse_broadcaster_actix as actix;

use super::{
    Refusal, State,
    fields::{self, Fields, JsonOrForm},
    visitor::Visitor,
};
use crate::{
    data::{Message, PostId, Unavailable, Username},
    notifications,
    views::{self, Draft},
};

#[derive(Debug, Deserialize)]
pub struct Which {
    /// Posts that are older than this one.
    before: Option<PostId>,
}

/// `GET /` and `GET /home`.
pub async fn page(
    request: HttpRequest,
    which: Option<web::Query<Which>>,
    state: web::Data<State>,
) -> Result<HttpResponse, Refusal> {
    let Some(web::Query(Which { before })) = which else {
        return Err(Refusal::unprocessable(
            "\"before\" is the number of a post.",
        ));
    };
    let visitor = Visitor::of(&request, &state.posts).await?;
    // Before the posts are read: whatever was announced up to here is in them. What is in them already
    // and announced later changes nothing when it comes.
    let selector =
        notifications::selector_of(&visitor.author.id).map_err(|error| invalid(&error))?;
    let head = state.broadcaster.bounds().head;
    // It may be the id of a notification of somebody else.
    let position = state.broadcaster.shown_position(head, &selector);
    let mut newest = notifications::newest(&state.broadcaster, &visitor.author.id)
        .await
        .map_err(|_| Unavailable)?;
    newest.reverse();
    let page = state.posts.page(before).await?;
    let draft = Draft::named(&visitor.author.name);
    let html = views::home(&page, before, &position.to_string(), &draft, &newest)?;
    let mut answer = HttpResponse::Ok();
    views::guard(&mut answer);
    if let Some(cookie) = visitor.cookie() {
        answer.insert_header(cookie);
    }
    // What an old copy shows would be older than its position.
    answer.insert_header((header::CACHE_CONTROL, "no-store"));
    Ok(answer.content_type(views::HTML).body(html))
}

/// `GET /home/sse`.
pub async fn stream(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, actix_web::Error> {
    if request.method() == Method::HEAD {
        // Without a stream behind it, which would never end.
        return Ok(HttpResponse::Ok()
            .content_type("text/event-stream")
            .finish());
    }
    let visitor = Visitor::of(&request, &state.posts).await?;
    let selector =
        notifications::selector_of(&visitor.author.id).map_err(|error| invalid(&error))?;
    let subscription = actix::subscribe(&state.broadcaster, &request, selector)?;
    Ok(subscription.respond_to(&request))
}

/// `POST /home`.
pub async fn create(
    request: HttpRequest,
    state: web::Data<State>,
    fields: Result<JsonOrForm<Fields>, Refusal>,
) -> Result<HttpResponse, Refusal> {
    state.check_writer(&request)?;
    let JsonOrForm(fields) = fields?;
    let visitor = Visitor::of(&request, &state.posts).await?;
    let username = fields.username.as_deref();
    let username = username.unwrap_or(&visitor.author.name);
    let (name, message) = checked(username, &fields).map_err(|refusal| {
        refusal.with_draft(Draft {
            username: username.to_owned(),
            message: fields.message.clone().unwrap_or_default(),
        })
    })?;
    let cookie = visitor.cookie();
    let post = state.posts.create(visitor.author, name, message).await?;
    let mut answer = if fields::is_json(&request) {
        HttpResponse::Created().json(views::as_json(&post))
    } else if fields::is_from_htmx(&request) {
        let form = views::compose(&Draft::named(&post.username))?;
        HttpResponse::Ok().content_type(views::HTML).body(form)
    } else {
        views::see_home()
    };
    if let Some((name, value)) = cookie
        && let Ok(value) = value.parse()
    {
        answer.headers_mut().insert(name, value);
    }
    Ok(answer)
}

fn invalid(invalid: &Invalid) -> Refusal {
    log::error!("a topic of this page is not valid: {invalid}");
    Unavailable.into()
}

fn checked(username: &str, fields: &Fields) -> Result<(Username, Message), Refusal> {
    let username = Username::new(username).map_err(Refusal::unprocessable)?;
    let message = Message::new(fields.message()?).map_err(Refusal::unprocessable)?;
    Ok((username, message))
}
