//! A page of posts that every window shows live: `cargo run --example posts`. README.md has the tour.
//!
//! # One post's way
//! `controllers/home.rs` reads and refuses → `data/posts.rs` writes the post and its announcement in one
//! transaction, and the request is answered → `announcer.rs` publishes the fragment that
//! `views/fragments.rs` renders once → the broadcaster brings it to every window.

mod announcer;
mod controllers;
mod data;
mod notifications;
mod views;

#[cfg(test)]
mod tests;

use std::{process::ExitCode, sync::Arc};

use clap::Parser;
use sse_broadcaster::{Broadcaster, Options};
use sse_broadcaster_actix::PositionKey;

use controllers::State;
use data::Posts;
use support::{access::Origins, log, server, settings::Settings};

/// A page of posts that every window shows live
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    settings: Settings,

    #[command(flatten)]
    origins: Origins,
}

async fn run(arguments: &Arguments) -> Result<(), String> {
    let directory = arguments.settings.data_dir("posts")?;
    let posts = Posts::open(&directory.join("posts.sqlite"))?;
    // A window that was away catches up by it; the posts themselves do not depend on it.
    let log = log::open(&directory)?;
    // Positions tell nobody of notifications that are not their own.
    let key = PositionKey::random().map_err(|error| error.to_string())?;
    let key = log.position_key(key).map_err(|error| error.to_string())?;
    let options = Options::default().position_cipher(Arc::new(PositionKey::new(key)));
    let broadcaster = Broadcaster::start(log, options).map_err(|error| error.to_string())?;
    actix_web::rt::spawn(announcer::run(posts.clone(), broadcaster.clone()));
    let listen = arguments.settings.listen;
    let access = arguments.origins.access(listen);
    let state = State::new(posts, broadcaster.clone(), access);
    server::run("posts", listen, &broadcaster, move |config| {
        controllers::routes(config, &state);
    })
    .await
}

#[actix_web::main]
async fn main() -> ExitCode {
    server::main("posts", run(&Arguments::parse())).await
}
