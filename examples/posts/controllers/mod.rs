//! What each route does. Reads requests, asks `data`, answers with `views`.

mod fields;
mod files;
mod home;
mod post;
mod refusal;
mod thanks;
mod visitor;

use actix_web::{
    FromRequest, Handler, HttpRequest, HttpResponse, Responder, Route, guard, middleware, web,
};
use sse_broadcaster::Broadcaster;
use sse_broadcaster_actix::{Access, may_publish};

use crate::data::Posts;
use refusal::Refusal;

/// What all routes work with.
#[derive(Debug, Clone)]
pub struct State {
    posts: Posts,
    broadcaster: Broadcaster,
    access: Access,
}

impl State {
    #[must_use]
    pub fn new(posts: Posts, broadcaster: Broadcaster, access: Access) -> Self {
        Self {
            posts,
            broadcaster,
            access,
        }
    }

    /// Asked by every route that writes: no other site's page may make a browser post here.
    fn check_writer(&self, request: &HttpRequest) -> Result<(), Refusal> {
        let admitted = may_publish(&self.access, request);
        admitted.map(drop).map_err(|problem| {
            log::info!("a write was refused: {}", problem.code());
            Refusal::forbidden(
                "Only this server's own pages may write here. Where they are reached under another \
                 name or through a proxy, start it with --origin and that address.",
            )
        })
    }
}

pub fn routes(config: &mut web::ServiceConfig, state: &State) {
    let home = web::resource("/home").route(web::post().to(home::create));
    let pages = web::scope("")
        .wrap(middleware::from_fn(refusal::dress))
        .service(web::resource("/").route(read(home::page)))
        .service(home.route(read(home::page)))
        .service(web::resource("/home/sse").route(read(home::stream)))
        .service(web::resource("/home/own.css").route(read(visitor::stylesheet)))
        .service(web::resource("/home/posts/{id}").route(web::post().to(post::save)))
        .service(web::resource("/home/posts/{id}/edit").route(read(post::edit)))
        .service(web::resource("/home/posts/{id}/delete").route(web::post().to(post::delete)))
        .service(web::resource("/home/posts/{id}/thank").route(web::post().to(thanks::thank)))
        .service(web::resource("/avatar.svg").route(read(files::avatar)))
        .service(web::resource("/posts.css").route(read(files::stylesheet)))
        .service(web::resource("/posts.js").route(read(files::script)))
        .default_service(web::to(nowhere));
    config
        .app_data(web::Data::new(state.clone()))
        .service(pages);
}

/// For `GET`, and for `HEAD`, which is answered the same without a body.
fn read<F, Arguments>(handler: F) -> Route
where
    F: Handler<Arguments>,
    Arguments: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    let reads = guard::Any(guard::Get()).or(guard::Head());
    web::route().guard(reads).to(handler)
}

async fn nowhere() -> Result<HttpResponse, Refusal> {
    Err(Refusal::missing(
        "There is no such page; the posts are at /home.",
    ))
}
