//! Scripts of others that the pages load from `/lib/`. None of them lies in this repository:
//! `npm install` in `examples/` puts them beside it, and without that the browser is sent to a public
//! CDN for the same bytes. Either way it checks them against the hash that the page names.

use std::path::Path;

use actix_web::{HttpResponse, http::header, web};

/// One script, of one version for good: its name says which.
#[derive(Debug)]
pub struct Asset {
    /// What it is called below `/lib/`.
    pub file: &'static str,
    /// Where npm puts it, below `node_modules`; `None` for what is not in npm.
    npm: Option<&'static str>,
    /// Where a browser finds the same bytes otherwise.
    pub cdn: &'static str,
    /// For the page's `integrity`.
    pub integrity: &'static str,
}

pub const HTMX: Asset = Asset {
    file: "htmx-4.0.1.min.js",
    npm: Some("htmx.org/dist/htmx.min.js"),
    cdn: "https://unpkg.com/htmx.org@4.0.1/dist/htmx.min.js",
    integrity: "sha384-Qp9rdC8H7EqOoX+nR0P3RPG2Noji+qdwJlGpfzwQJsfOpp3sGwIdSP9xO3+UlEhn",
};

/// htmx's own extension for streams, in the same package.
pub const HTMX_SSE: Asset = Asset {
    file: "hx-sse-4.0.1.min.js",
    npm: Some("htmx.org/dist/ext/hx-sse.min.js"),
    cdn: "https://unpkg.com/htmx.org@4.0.1/dist/ext/hx-sse.min.js",
    integrity: "sha384-v8HvucQ+ohQhMg0arboXc5049yNR46QKMjphs7YDch+Wm7zpfK5XVS01f26mQDJV",
};

/// In no package of npm: `datastar.mjs`, which npm runs, puts it there.
pub const DATASTAR: Asset = Asset {
    file: "datastar-1.0.2.js",
    npm: Some(".datastar/datastar-1.0.2.js"),
    cdn: "https://cdn.jsdelivr.net/gh/starfederation/datastar@1.0.2/bundles/datastar.js",
    integrity: "sha384-Lp+KcjQ2Y+DzUQET79MK8Eb1Gk6KvirDL29KeupBQgQybkYkNVmbg8T6kpjVhtb/",
};

const ASSETS: [&Asset; 3] = [&HTMX, &HTMX_SSE, &DATASTAR];

const NODE_MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/node_modules");

/// `GET /lib/{file}`, to be given to `App::configure`.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource("/lib/{file}").route(web::get().to(serve)));
}

async fn serve(file: web::Path<String>) -> HttpResponse {
    let Some(asset) = ASSETS.into_iter().find(|asset| asset.file == *file) else {
        return HttpResponse::NotFound().body("no script of that name and version is served here");
    };
    match installed(asset).await {
        Some(script) => HttpResponse::Ok()
            .content_type("text/javascript; charset=utf-8")
            .insert_header((header::CACHE_CONTROL, "public, max-age=31536000, immutable"))
            .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .body(script),
        // Not kept, because npm may install it at any time.
        None => HttpResponse::Found()
            .insert_header((header::LOCATION, asset.cdn))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .finish(),
    }
}

async fn installed(asset: &Asset) -> Option<Vec<u8>> {
    let path = Path::new(NODE_MODULES).join(asset.npm?);
    web::block(|| std::fs::read(path)).await.ok()?.ok()
}
