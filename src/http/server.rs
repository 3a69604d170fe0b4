//! The server that the binary runs: from settings to listeners, workers, and an orderly end.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    Access, Publishers, Routes, descriptors, history,
    listeners::{Listeners, ServeError},
    logging,
    status::Status,
    workers::{self, Workers},
};
use crate::{
    broadcaster::{Broadcaster, Options},
    config::Config,
    history::History,
    metrics::Metrics,
    open_files,
};

/// How the server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Go on for the drain delay, then drain.
    Delayed,
    /// Drain at once.
    Now,
}

/// Sets up logging, serves until SIGTERM or SIGINT, and drains. Blocks.
///
/// # Errors
/// When a setting cannot be, an address cannot be bound, or the server fails.
pub fn serve(config: &Config) -> Result<(), ServeError> {
    logging::start(config).map_err(ServeError::Setting)?;
    for line in config.without_effect() {
        log::warn!("{line}");
    }
    actix_web::rt::System::new().block_on(async {
        let listeners = Listeners::bind(config)?;
        run(listeners, config, shutdown_signal()).await
    })
}

/// Serves on these listeners until `shutdown` says how to end; a second signal stops at once.
///
/// # Errors
/// When a setting cannot be, or the server fails.
pub async fn run(
    listeners: Listeners,
    config: &Config,
    shutdown: impl Future<Output = Shutdown>,
) -> Result<(), ServeError> {
    let addresses = listeners.addresses();
    let max_connections = descriptors::max_connections(
        open_files::raise_limit(),
        workers::count(config),
        addresses.len(),
    );
    report_unreachable(config, max_connections);
    let keys = config.publish_keys().map_err(ServeError::Setting)?;
    config
        .check_publishing(&addresses, &keys)
        .map_err(ServeError::Setting)?;
    let access = access(config, &keys);
    let opened = history::open(config).await?;
    let announcement = announcement(&opened.description, &addresses, &access);
    let broadcaster = start_broadcaster(config, opened.history, max_connections)?;
    let ready = Arc::new(AtomicBool::new(true));
    let direct = Arc::<AtomicUsize>::default();
    let status = Arc::new(Status {
        ready: Arc::clone(&ready),
        metrics: Metrics::new(&broadcaster, &direct),
        direct,
        broadcaster: broadcaster.clone(),
    });
    let routes = Routes::with(&broadcaster, access);
    let workers = Workers::start(listeners, config, max_connections, &routes, &status)
        .await
        .map_err(ServeError::Run)?;
    log::info!("{announcement}");

    let how = shutdown.await;
    ready.store(false, Ordering::SeqCst);
    tokio::select! {
        () = end(config, how, &broadcaster) => {}
        _ = shutdown_signal() => log::warn!("stopping at once"),
    }
    workers.stop().await;
    Ok(())
}

/// A bound on streams that the limit of open files does not let the server reach.
fn report_unreachable(config: &Config, max_connections: usize) {
    let streams = config.max_subscribers.unwrap_or(0);
    if streams > max_connections {
        log::warn!(
            "--max-subscribers {streams} cannot be reached: the limit of open files (ulimit -n) allows \
             {max_connections} connections"
        );
    }
}

async fn end(config: &Config, how: Shutdown, broadcaster: &Broadcaster) {
    if how == Shutdown::Delayed && !config.drain_delay.is_zero() {
        log::info!("not ready any more; draining in {:?}", config.drain_delay);
        tokio::time::sleep(config.drain_delay).await;
    }
    log::info!("draining {} streams", broadcaster.stats().subscribers.get());
    broadcaster.drain(config.drain_time).await;
}

/// Listens from here on: none is missed that comes before this is awaited.
fn shutdown_signal() -> impl Future<Output = Shutdown> {
    let terminate = signal(SignalKind::terminate());
    let interrupt = signal(SignalKind::interrupt());
    async {
        tokio::select! {
            () = received(terminate) => Shutdown::Delayed,
            () = received(interrupt) => Shutdown::Now,
        }
    }
}

async fn received(signal: io::Result<Signal>) {
    match signal {
        Ok(mut signal) => drop(signal.recv().await),
        Err(_) => std::future::pending().await,
    }
}

fn start_broadcaster(
    config: &Config,
    history: Arc<dyn History>,
    max_connections: usize,
) -> Result<Broadcaster, ServeError> {
    let options = Options {
        shards: workers::count(config),
        ping_interval: config.ping_interval,
        publish_wait: config.publish_wait,
        max_event_bytes: config.max_event_bytes,
        max_subscribers: config
            .max_subscribers
            .unwrap_or_else(|| descriptors::max_streams(max_connections)),
        replay_bytes_per_second: config.history.replay_bytes_per_second,
    };
    Broadcaster::on(history, options).map_err(ServeError::Start)
}

fn access(config: &Config, keys: &[crate::config::Secret]) -> Access {
    let publishers = if config.no_publish {
        Publishers::Nobody
    } else if !keys.is_empty() {
        Publishers::Keys(keys.iter().map(|key| key.expose().to_owned()).collect())
    } else if config.allow_anonymous_publish {
        Publishers::Anyone
    } else {
        Publishers::Local
    };
    let origins = |texts: &[String]| {
        let bare = texts
            .iter()
            .map(|text| text.trim().trim_end_matches('/').to_owned());
        bare.filter(|text| !text.is_empty()).collect()
    };
    Access {
        publishers,
        publish_origins: origins(&config.publish_origin),
        read_origins: origins(&config.cors_origin),
        get_publishes: !config.no_get_publish,
        max_per_address: config.max_subscribers_per_address,
    }
}

fn announcement(history: &str, addresses: &[SocketAddr], access: &Access) -> String {
    let addresses: Vec<_> = addresses
        .iter()
        .map(|address| format!("http://{address}"))
        .collect();
    let who = match access.publishers {
        Publishers::Nobody => "nobody",
        Publishers::Local => "programs on this machine and this server's own page",
        Publishers::Anyone => "anybody who reaches this address",
        Publishers::Keys(_) => "whoever has a key",
    };
    format!(
        "listening on {}, history {history}, who may publish: {who}",
        addresses.join(" "),
    )
}
