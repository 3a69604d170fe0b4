//! An actix server around a broadcaster: it runs until SIGINT or SIGTERM, and ends at once although
//! streams are open.

use std::{net::SocketAddr, process::ExitCode, time::Duration};

use actix_web::{App, HttpServer, web};
use sse_broadcaster::Broadcaster;
use tokio::signal::unix::{SignalKind, signal};

use super::assets;

/// How long streams may take to be told that they end.
const DRAIN: Duration = Duration::from_millis(300);
/// How long requests that are under way may take behind that.
const SHUTDOWN_SECONDS: u64 = 1;

/// Runs an example to its end; why it fails is said on standard error.
pub async fn main(name: &str, example: impl Future<Output = Result<(), String>>) -> ExitCode {
    // A stream that is cut at the end is an error to actix's own connections, and none to us.
    let filter = env_logger::Env::default().default_filter_or("warn,actix_http=off");
    env_logger::Builder::from_env(filter).init();
    match example.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("{name}: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Serves what `configure` mounts, and the scripts below `/lib/`. Says on standard output where.
///
/// # Errors
/// A sentence that names the address.
pub async fn run(
    name: &str,
    listen: SocketAddr,
    broadcaster: &Broadcaster,
    configure: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
) -> Result<(), String> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(cannot("signals"))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(cannot("signals"))?;
    let app = move || {
        App::new()
            .configure(assets::routes)
            .configure(configure.clone())
    };
    let server = HttpServer::new(app)
        // A client that closes its stream is noticed at once, and small events do not wait.
        .h1_allow_half_closed(false)
        .tcp_nodelay(true)
        .disable_signals()
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .bind(listen)
        .map_err(|error| {
            format!("{listen} cannot be listened on ({error}); name another with --listen")
        })?;
    for address in server.addrs() {
        println!("{name}: http://{address}");
    }
    let mut serving = server.run();
    let handle = serving.handle();
    tokio::select! {
        ended = &mut serving => return ended.map_err(cannot("serving")),
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    let end = async {
        // Streams first, or actix would wait for them.
        broadcaster.drain(DRAIN).await;
        handle.stop(true).await;
    };
    let (ended, ()) = tokio::join!(serving, end);
    ended.map_err(cannot("serving"))
}

fn cannot(what: &str) -> impl Fn(std::io::Error) -> String + '_ {
    move |error| format!("{what}: {error}")
}
