//! Runs the server: binds the listeners, starts the workers, and drains the streams at the end.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use parking_lot::Mutex;
use rustix::fs::Mode;

use super::{
    admission::Admission,
    announcement::announcement,
    broadcaster_options::options,
    certificates,
    dictionary::{Dictionaries, DictionaryKeeper},
    drain::{Drain, end},
    error::ServeError,
    history, logging,
    nodes::Nodes,
    presence,
    reload::{self, ReadSettings, Running},
    revocations::KeptRevocations,
    shared_history::SharedHistory,
    signals::{self, Hangups, Shutdown},
    systemd::{Notifier, PassedSockets, Supervision},
};
use crate::{
    config::Config,
    http::{
        connection::limits::{self, Connections},
        listen::Listeners,
        routes::{
            admin::{Admin, HistorySettings, TopicLists},
            status::Status,
        },
        workers::{self, Workers},
    },
    metrics::{Metrics, Samples},
    traces::Traces,
};
use sse_broadcaster::{broadcaster::Broadcaster, history::History};
use sse_broadcaster_actix::{AppState, UploadLimits};
use sse_broadcaster_mercure::{Hub, SubscriptionStore};

use sse_broadcaster_cli::open_files;
use sse_broadcaster_compression::Decompression;

/// How long systemd is asked to wait while the history is opened.
const OPEN_WITHIN: Duration = Duration::from_secs(3_600);
/// How long systemd is asked to wait for the end, beyond the time of the drain.
const CLOSE_WITHIN: Duration = Duration::from_secs(60);

/// Starts logging, serves until SIGTERM or SIGINT, and drains. Blocks.
///
/// # Errors
/// For a setting that is not valid, an address that cannot be bound, a history that cannot be opened, and
/// workers that cannot be started.
pub fn serve(config: &mut Config, read: ReadSettings) -> Result<(), ServeError> {
    // First, before anything opens a file or starts a thread.
    let passed = PassedSockets::take();
    logging::start(config)?;
    let passed = passed?;
    let notifier = Notifier::from_env();
    config.read_secret_files()?;
    for line in config.without_effect() {
        log::warn!("{line}");
    }
    actix_web::rt::System::new().block_on(async {
        let shutdown = signals::shutdown();
        let listeners = Listeners::bind(config, passed)?;
        // The files that the engine of a log creates are private as well.
        rustix::process::umask(Mode::RWXG | Mode::RWXO);
        run(listeners, config, read, notifier, shutdown).await
    })
}

/// Serves on these listeners until `shutdown` completes; a second signal stops the server at once.
///
/// # Errors
/// As [`serve`].
async fn run(
    listeners: Listeners,
    config: &Config,
    read: ReadSettings,
    notifier: Notifier,
    shutdown: impl Future<Output = Shutdown>,
) -> Result<(), ServeError> {
    actix_web::rt::spawn(signals::ignore());
    let hangups = Hangups::new();
    let connections = connections(config, &listeners);
    let max_connections = connections.public;
    report_unreachable(config, max_connections);
    let addresses = listeners.addresses();
    let (admission, files) = Admission::read(config, &addresses)?;
    let (tls, certificates) = certificates::open(&config.tls)?.unzip();
    let traces = Traces::start(config)?;
    let opening = notifier.opening(OPEN_WITHIN);
    let opened = history::open(config).await?;
    let announcement = announcement(&opened.description, &listeners, &admission, config);
    let members = Arc::clone(&opened.members);
    let subscriptions = Arc::clone(&opened.subscriptions);
    let (nodes, kind) = (opened.nodes.clone(), opened.kind);
    let log = Arc::clone(&opened.history);
    let (broadcaster, revocations) =
        start_broadcaster(config, opened, &admission, max_connections, traces.as_ref()).await?;
    drop(opening);
    start_hub(config, admission.hub.as_ref(), &broadcaster, subscriptions);
    let ready = Arc::new(AtomicBool::new(true));
    let direct = Arc::<AtomicUsize>::default();
    let http2 = Arc::default();
    let state = AppState::new(&broadcaster)
        .access(admission.access)
        .authorization(admission.authorization)
        .trusted_proxies(admission.proxies);
    let state = with_settings(state, config, &connections)?;
    let state = traced(presence::start(config, state, members)?, traces.as_ref());
    let (state, dictionaries) = compressed(state, config, log);
    let has_operators = state.authorization.has_operators();
    let history = HistorySettings {
        kind,
        retention: config.history.retention(),
    };
    let admin = has_operators.then(|| start_admin(&state, revocations, history, nodes));
    let status = Arc::new(Status {
        ready: Arc::clone(&ready),
        metrics: Metrics::new(
            &broadcaster,
            (&direct, &http2),
            &state,
            traces.as_ref().map(Traces::stats),
            tls.clone(),
        ),
        dictionaries,
        direct,
        http2,
        broadcaster: broadcaster.clone(),
        admin,
    });
    let hub = admission.hub.clone();
    let latest = Arc::new(Mutex::new(config.clone()));
    let running = Running {
        read,
        started: config.clone(),
        config: Arc::clone(&latest),
        addresses,
        max_connections,
        broadcaster: broadcaster.clone(),
        gate: state.gate.clone(),
        authorization: state.authorization.clone(),
        proxies: state.proxies.clone(),
        hub: hub.clone(),
        keys: admission.keys,
        files,
        certificates,
        notifier: notifier.clone(),
    };
    let workers = Workers::start(
        listeners,
        config,
        connections,
        (&state, admission.hub),
        &status,
        tls.as_ref(),
    )
    .await
    .map_err(ServeError::Run)?;
    for line in announcement {
        log::info!("{line}");
    }
    notifier.ready();
    actix_web::rt::spawn(reload::follow(running, hangups));
    let supervision = Supervision::start(&notifier, &broadcaster, workers.pulses());

    let shutdown = shutdown.await;
    ready.store(false, Ordering::SeqCst);
    let drain = Drain::of(&latest.lock(), shutdown);
    let _stopping = notifier.stopping(drain.longest() + CLOSE_WITHIN);
    tokio::select! {
        () = end(drain, &broadcaster, hub.as_deref()) => {}
        _ = signals::shutdown() => log::warn!("stopping at once"),
    }
    drop(supervision);
    workers.stop().await;
    presence::end(&state).await;
    if let Some(traces) = traces {
        traces.end().await;
    }
    Ok(())
}

/// The numbers of connections that the limit of open files allows.
fn connections(config: &Config, listeners: &Listeners) -> Connections {
    let max = limits::max_connections(
        open_files::raise_limit(),
        workers::count(config),
        listeners.addresses().len() + listeners.redirect.len() + listeners.paths().len(),
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

fn with_settings(
    state: AppState,
    config: &Config,
    connections: &Connections,
) -> Result<AppState, ServeError> {
    let limits = UploadLimits::default()
        .bytes(config.upload_buffer_bytes)
        .slow(connections.slow_uploads())
        .idle_timeout(config.upload_idle_timeout);
    let decoders = Decompression::default();
    let state = state.base_path(config.base_path()?).upload_limits(limits);
    Ok(state.body_codings(Arc::new(decoders)))
}

/// Has streams compressed, and their dictionaries kept in this log.
fn compressed(
    state: AppState,
    config: &Config,
    history: Arc<dyn History>,
) -> (AppState, Option<Arc<Dictionaries>>) {
    let Some(compression) = config.compress.codings().map(Arc::new) else {
        return (state, None);
    };
    let dictionaries = Dictionaries::new(Arc::clone(&compression));
    let keeper = DictionaryKeeper {
        dictionaries: Arc::clone(&dictionaries),
        broadcaster: state.broadcaster.clone(),
        history,
        authorization: state.authorization.clone(),
    };
    actix_web::rt::spawn(keeper.run());
    (state.codings(compression), Some(dictionaries))
}

fn traced(state: AppState, traces: Option<&Traces>) -> AppState {
    match traces {
        Some(traces) => traces.trace(state),
        None => state,
    }
}

fn start_hub(
    config: &Config,
    hub: Option<&Arc<Hub>>,
    broadcaster: &Broadcaster,
    subscriptions: Arc<dyn SubscriptionStore>,
) {
    if let Some(hub) = hub
        && config.mercure.mercure_subscriptions
    {
        hub.start_subscriptions(broadcaster, subscriptions);
    }
}

/// Begins to take samples for operators, and to report them to the nodes of the history.
fn start_admin(
    state: &AppState,
    revocations: Option<Arc<KeptRevocations>>,
    history: HistorySettings,
    shared: Option<Arc<dyn SharedHistory>>,
) -> Arc<Admin> {
    let samples = Samples::new(&state.broadcaster, &state.refusals);
    actix_web::rt::spawn(Arc::clone(&samples).take_all());
    let nodes = Nodes::new(&samples);
    if let Some(shared) = shared {
        actix_web::rt::spawn(Arc::clone(&nodes).report_all(shared));
    }
    Arc::new(Admin {
        revocations,
        samples,
        nodes,
        history,
        started: SystemTime::now(),
        topics: TopicLists::default(),
    })
}

/// Starts the broadcaster on its history, and what history keeps of revocations.
async fn start_broadcaster(
    config: &Config,
    opened: history::Opened,
    admission: &Admission,
    max_connections: usize,
    traces: Option<&Traces>,
) -> Result<(Broadcaster, Option<Arc<KeptRevocations>>), ServeError> {
    // Who only has tokens may never ask for them, and they take memory for each stream.
    let keeps_connections = admission.authorization.has_operator_keys();
    let mut options = options(config, max_connections)?.connections(keeps_connections);
    if admission.has_private_events(config) {
        options = options.position_cipher(opened.key_store.cipher().await?);
    }
    if let Some(traces) = traces {
        options = traces.observe(options, opened.kind);
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
