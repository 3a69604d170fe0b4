//! What the page is made of besides HTML. Scripts of others come from `/lib/`.

use actix_web::{HttpResponse, http::header, web};
use serde::Deserialize;

use super::Refusal;
use crate::{data::Username, views};

const STYLESHEET: &str = include_str!("../files/posts.css");
const SCRIPT: &str = include_str!("../files/posts.js");

/// `GET /posts.css`.
pub async fn stylesheet() -> HttpResponse {
    file("text/css; charset=utf-8", STYLESHEET)
}

/// `GET /posts.js`.
pub async fn script() -> HttpResponse {
    file("text/javascript; charset=utf-8", SCRIPT)
}

fn file(content_type: &str, text: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(text)
}

#[derive(Debug, Deserialize)]
pub struct Whose {
    name: String,
}

/// `GET /avatar.svg?name=`: drawn from the name, so it is the same for good.
pub async fn avatar(whose: Option<web::Query<Whose>>) -> Result<HttpResponse, Refusal> {
    let Some(web::Query(Whose { name })) = whose else {
        return Err(Refusal::unprocessable("Whose avatar? Say ?name="));
    };
    let name = Username::new(&name).map_err(Refusal::unprocessable)?;
    let svg = views::avatar(&name.into_string())?;
    Ok(HttpResponse::Ok()
        .content_type("image/svg+xml")
        .insert_header((header::CACHE_CONTROL, "public, max-age=86400"))
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(svg))
}
