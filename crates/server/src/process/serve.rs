//! Runs the server: binds the listeners, starts the workers, and drains the streams at the end.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use rustix::fs::Mode;

use super::{
    admission::Admission,
    error::ServeError,
    history,
    key_file::{self, Watched},
    logging, presence,
    revocations::KeptRevocations,
    signals::{self, Hangups, Shutdown},
};
use crate::{
    config::Config,
    http::{
        connection::limits::{self, Connections},
        listen::Listeners,
        routes::{revocations::Admin, status::Status},
        workers::{self, Workers},
    },
    metrics::Metrics,
};
use sse_broadcaster::broadcaster::{Broadcaster, Options};
use sse_broadcaster_actix::{AppState, KeyRing, UploadLimits};

use sse_broadcaster_cli::open_files;

/// Starts logging, serves until SIGTERM or SIGINT, and drains. Blocks.
///
/// # Errors
/// For a setting that is not valid, an address that cannot be bound, a history that cannot be opened, and
/// workers that cannot be started.
pub fn serve(config: &Config) -> Result<(), ServeError> {
    logging::start(config)?;
    for line in config.without_effect() {
        log::warn!("{line}");
    }
    actix_web::rt::System::new().block_on(async {
        let shutdown = signals::shutdown();
        let listeners = Listeners::bind(config)?;
        // The files that the engine of a log creates are private as well.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        run(listeners, config, shutdown).await
    })
}

/// Serves on these listeners until `shutdown` completes; a second signal stops the server at once.
///
/// # Errors
/// As [`serve`].
async fn run(
    listeners: Listeners,
    config: &Config,
    shutdown: impl Future<Output = Shutdown>,
) -> Result<(), ServeError> {
    actix_web::rt::spawn(signals::ignore());
    let hangups = Hangups::new();
    let connections = connections(config, &listeners);
    let max_connections = connections.public;
    report_unreachable(config, max_connections);
    let (admission, key_files) = Admission::read(config, &listeners)?;
    actix_web::rt::spawn(follow_keys(key_files, hangups));
    let opened = history::open(config).await?;
    let announcement = announcement(&opened.description, &listeners, &admission, config);
    let members = Arc::clone(&opened.members);
    let (broadcaster, revocations) =
        start_broadcaster(config, opened, &admission, max_connections).await?;
    if let Some(hub) = &admission.hub
        && config.mercure.mercure_subscriptions
    {
        hub.start_subscriptions(&broadcaster);
    }
    let ready = Arc::new(AtomicBool::new(true));
    let direct = Arc::<AtomicUsize>::default();
    let uploads = UploadLimits::default()
        .bytes(config.upload_buffer_bytes)
        .slow(connections.slow_uploads())
        .idle_timeout(config.upload_idle_timeout);
    let state = AppState::new(&broadcaster)
        .access(admission.access)
        .authorization(admission.authorization)
        .upload_limits(uploads);
    let state = presence::start(config, state, members)?;
    let status = Arc::new(Status {
        ready: Arc::clone(&ready),
        metrics: Metrics::new(&broadcaster, &direct, &state),
        direct,
        broadcaster: broadcaster.clone(),
        admin: admin(admission.admin_keys, revocations.as_ref()),
    });
    let workers = Workers::start(
        listeners,
        config,
        connections,
        (&state, admission.hub),
        &status,
    )
    .await
    .map_err(ServeError::Run)?;
    log::info!("{announcement}");

    let shutdown = shutdown.await;
    ready.store(false, Ordering::SeqCst);
    tokio::select! {
        () = end(config, shutdown, &broadcaster) => {}
        _ = signals::shutdown() => log::warn!("stopping at once"),
    }
    workers.stop().await;
    presence::end(&state).await;
    Ok(())
}

/// The numbers of connections that the limit of open files allows.
fn connections(config: &Config, listeners: &Listeners) -> Connections {
    let max = limits::max_connections(
        open_files::raise_limit(),
        workers::count(config),
        listeners.addresses().len() + listeners.paths().len(),
    );
    let has_admin = !listeners.admin.is_empty() || !listeners.admin_sockets.is_empty();
    Connections::of(max, has_admin)
}

/// Reports a bound on streams that is beyond the limit of open files.
fn report_unreachable(config: &Config, max_connections: usize) {
    let streams = config.max_subscribers.unwrap_or(0);
    if streams > max_connections {
        log::warn!(
            "--max-subscribers {streams} cannot be reached: the limit of open files (ulimit -n) allows \
             {max_connections} connections"
        );
    }
}

async fn end(config: &Config, shutdown: Shutdown, broadcaster: &Broadcaster) {
    if shutdown == Shutdown::Delayed && !config.drain_delay.is_zero() {
        log::info!("no longer ready; draining in {:?}", config.drain_delay);
        tokio::time::sleep(config.drain_delay).await;
    }
    let streams = broadcaster.stats().subscribers.get();
    log::info!(
        "draining {streams} stream{}",
        if streams == 1 { "" } else { "s" }
    );
    broadcaster.drain(config.drain_time).await;
}

fn admin(keys: KeyRing, revocations: Option<&Arc<KeptRevocations>>) -> Option<Arc<Admin>> {
    let revocations = revocations.filter(|_| !keys.is_empty())?;
    Some(Arc::new(Admin {
        keys,
        revocations: Arc::clone(revocations),
    }))
}

/// Reads the key files again when they change, and on SIGHUP.
async fn follow_keys(files: Vec<Watched>, mut hangups: Hangups) {
    let mut requested = async || {
        hangups.requested().await;
        log::info!("received SIGHUP");
    };
    if !files.is_empty() {
        return key_file::follow(files, requested).await;
    }
    loop {
        requested().await;
        log::info!("there is no key file to read again");
    }
}

/// Starts the broadcaster on its history, and what history keeps of revocations.
async fn start_broadcaster(
    config: &Config,
    opened: history::Opened,
    admission: &Admission,
    max_connections: usize,
) -> Result<(Broadcaster, Option<Arc<KeptRevocations>>), ServeError> {
    let mut options = options(config, max_connections);
    if admission.has_private_events(config) {
        options = options.position_cipher(opened.key_store.cipher().await?);
    }
    let broadcaster = Broadcaster::on(Arc::clone(&opened.history), options)?;
    let revocations = match &admission.revocations {
        Some(current) => {
            let current = Arc::clone(current);
            Some(KeptRevocations::start(&broadcaster, opened.history, current).await)
        }
        None => None,
    };
    Ok((broadcaster, revocations))
}

fn options(config: &Config, max_connections: usize) -> Options {
    Options::default()
        .shards(workers::count(config))
        .ping_interval(config.ping_interval)
        .publish_wait(config.publish_wait)
        .max_event_bytes(config.max_event_bytes)
        .max_subscribers(
            config
                .max_subscribers
                .unwrap_or_else(|| limits::max_streams(max_connections)),
        )
        .replay_bytes_per_second(config.history.replay_bytes_per_second)
        .replay_buffer_bytes(config.history.replay_buffer_bytes)
}

fn announcement(
    history: &str,
    listeners: &Listeners,
    admission: &Admission,
    config: &Config,
) -> String {
    let addresses = listeners.addresses().into_iter();
    let addresses = addresses.map(|address| format!("http://{address}"));
    let paths = listeners.paths().into_iter();
    let paths = paths.map(|path| format!("unix:{}", path.display()));
    let addresses: Vec<_> = addresses.chain(paths).collect();
    format!(
        "listening on {}, history {history}, who may read: {}, who may publish: {}",
        addresses.join(" "),
        admission.authorization.readers(),
        admission.publishers(config),
    )
}
