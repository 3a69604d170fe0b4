//! A dashboard that shows what a database holds, as it changes, with Datastar:
//! `cargo run --example stats`.
//!
//! # One change's way
//! A write to the database ([`demo`], or any other process) → [`producer`] notices → [`feeds`] reads
//! each list that somebody looks at once and compares → [`wire`] words what changed → the
//! broadcaster → every open page.

mod activity;
mod database;

mod demo;
mod feed;
mod feeds;
mod filter;
mod numbers;
mod pages;
mod producer;
mod routes;
mod wire;

use std::{process::ExitCode, sync::Arc, time::Duration};

use actix_web::web;
use clap::Parser;
use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};

use support::settings::Settings;

use self::{database::Database, feeds::Feeds};

const NAME: &str = "stats";
/// Most streams at once; each page has two.
const MAX_SUBSCRIBERS: usize = 10_000;
const MIN_INTERVAL: Duration = Duration::from_millis(1);
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

/// A dashboard that shows what a database holds, as it changes
#[derive(Debug, Parser)]
#[command(name = NAME, mut_arg("listen", |listen| listen.default_value("127.0.0.1:3000")))]
struct Arguments {
    #[command(flatten)]
    settings: Settings,

    /// The numbers are sent at most this often
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = interval)]
    stats_interval: Duration,

    /// Lists of activity are sent at most this often
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = interval)]
    activity_interval: Duration,

    /// The demo writer writes this often, on average
    #[arg(long, value_name = "DURATION", default_value = "3s", value_parser = interval)]
    demo_interval: Duration,

    /// Nothing is written to the database but by others
    #[arg(long)]
    no_demo: bool,
}

fn interval(text: &str) -> Result<Duration, String> {
    match humantime::parse_duration(text) {
        Ok(interval) if (MIN_INTERVAL..=MAX_INTERVAL).contains(&interval) => Ok(interval),
        Ok(_) => Err("an interval is between 1ms and 1day".into()),
        Err(error) => Err(format!("{error}; a duration has a unit, for example 3s")),
    }
}

#[actix_web::main]
async fn main() -> ExitCode {
    support::server::main(NAME, run(Arguments::parse())).await
}

async fn run(arguments: Arguments) -> Result<(), String> {
    let directory = arguments.settings.data_dir(NAME)?;
    let database = Database::open(&directory.join("stats.sqlite")).map_err(|e| e.to_string())?;
    let options = Options::default().max_subscribers(MAX_SUBSCRIBERS);
    // What streams are sent is the database's state, whole: a log of it need not outlive the process.
    let broadcaster = Broadcaster::start(Memory::new(Retention::default()), options)
        .map_err(|error| error.to_string())?;
    let feeds = Feeds::new(&database, &broadcaster).map_err(|error| error.to_string())?;
    let feeds = Arc::new(feeds);

    producer::start(
        &database,
        &feeds,
        arguments.stats_interval,
        arguments.activity_interval,
    );
    if !arguments.no_demo {
        tokio::spawn(demo::run(database.clone(), arguments.demo_interval));
    }
    let state = web::Data::new(routes::State {
        feeds,
        database,
        broadcaster: broadcaster.clone(),
    });
    let configure = move |config: &mut web::ServiceConfig| {
        config.app_data(state.clone()).configure(routes::routes);
    };
    support::server::run(NAME, arguments.settings.listen, &broadcaster, configure).await
}
