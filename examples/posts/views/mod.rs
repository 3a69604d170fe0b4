//! What is shown: templates, checked when this is compiled, and what they need. No rules of the
//! application are here.

mod avatar;
mod fragments;
mod home;
mod pages;

use std::sync::LazyLock;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS},
};

pub use avatar::avatar;
pub use fragments::{as_json, change, compose, edit_form, no_notice, notice, notification};
pub use home::{Draft, home};
pub use pages::{edit_page, refused};

use support::assets::{Asset, HTMX, HTMX_SSE};

/// What `home.html` loads, in this order.
const SCRIPTS: [&Asset; 2] = [&HTMX, &HTMX_SSE];

pub const HTML: &str = "text/html; charset=utf-8";

/// Scripts are ours, or those to which `/lib/` may lead. Should a post ever get into the page as more
/// than text, it could still run and load nothing.
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let scripts = SCRIPTS.map(|script| script.cdn).join(" ");
    format!(
        "default-src 'none'; script-src 'self' {scripts}; style-src 'self'; img-src 'self'; \
         connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
});

/// For answers that are pages.
pub fn guard(answer: &mut HttpResponseBuilder) {
    answer
        .insert_header((CONTENT_SECURITY_POLICY, POLICY.as_str()))
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"));
}

/// For browsers without scripts: a reload does not post again.
pub fn see_home() -> HttpResponse {
    HttpResponse::SeeOther()
        .insert_header((LOCATION, "/home"))
        .finish()
}
