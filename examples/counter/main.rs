//! State kept in sync between a server and every window: `cargo run --example counter`. README.md has
//! the tour.
//!
//! Three signals, and no route for any of them but the library's own `/signals`: `count` is the
//! server's, which follows a stream of values; `votes` and `lights` are written by the pages.

use std::{process::ExitCode, time::Duration};

use actix_web::{HttpResponse, http::header, web};
use clap::Parser;
use futures_util::stream::{self, Stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sse_broadcaster::{Broadcaster, Options};
use sse_broadcaster_actix::{AppState, Routes};
use sse_broadcaster_signals::Signal;

use support::{access::Origins, log, server, settings::Settings};

const NAME: &str = "counter";
const LIGHTS: usize = 24;
/// Nothing is loaded from anywhere else.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
    img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// State kept in sync between a server and every window
#[derive(Debug, Parser)]
#[command(name = NAME, mut_arg("listen", |listen| listen.default_value("127.0.0.1:3001")))]
struct Arguments {
    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    origins: Origins,

    /// The count stands still
    #[arg(long)]
    no_count: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Count {
    value: u64,
}

/// A value a second, behind the one that there was.
fn counting(from: u64) -> impl Stream<Item = Count> {
    stream::unfold(from, async |value| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let value = value.saturating_add(1);
        Some((Count { value }, value))
    })
}

/// Gives the signals their first values, where they have none from before.
async fn begin(
    broadcaster: &Broadcaster,
) -> Result<Signal<Count>, sse_broadcaster_signals::SignalError> {
    Signal::new(
        broadcaster,
        "votes",
        json!({"coffee": 0, "tea": 0, "water": 0}),
    )
    .await?;
    Signal::new(broadcaster, "lights", Value::from(vec![false; LIGHTS])).await?;
    Signal::new(broadcaster, "count", Count { value: 0 }).await
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let directory = arguments.settings.data_dir(NAME)?;
    let broadcaster = Broadcaster::start(log::open(&directory)?, Options::default())
        .map_err(|error| error.to_string())?;
    let count = begin(&broadcaster)
        .await
        .map_err(|error| error.to_string())?;
    if !arguments.no_count {
        let from = count.get().await.map_or(0, |count| count.value);
        actix_web::rt::spawn(async move {
            if let Err(error) = count.follow(counting(from)).await {
                ::log::error!("the count stands still: {error}");
            }
        });
    }
    let listen = arguments.settings.listen;
    let access = arguments.origins.access(listen);
    let routes = Routes::new(AppState::new(&broadcaster).access(access));
    server::run(NAME, listen, &broadcaster, move |config| {
        routes.configure(config);
        page(config);
    })
    .await
}

fn page(config: &mut web::ServiceConfig) {
    let html = include_str!("page/index.html");
    for (path, kind, text) in [
        ("/", "text/html; charset=utf-8", html),
        (
            "/page.css",
            "text/css; charset=utf-8",
            include_str!("page/page.css"),
        ),
        (
            "/page.js",
            "text/javascript; charset=utf-8",
            include_str!("page/page.js"),
        ),
    ] {
        let answer = move || async move {
            HttpResponse::Ok()
                .content_type(kind)
                .insert_header((header::CACHE_CONTROL, "no-cache"))
                .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
                .body(text)
        };
        config.route(path, web::get().to(answer));
    }
}

#[actix_web::main]
async fn main() -> ExitCode {
    server::main(NAME, run(Arguments::parse())).await
}
