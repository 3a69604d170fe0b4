//! Orders a certificate by ACME on a thread of its own, keeps it in a directory, and renews it.

mod kept;
mod proofs;

use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use self::{
    kept::{ASK_INTERVAL, Kept},
    proofs::Proofs,
};
use super::key_file::FileState;
use crate::{
    config::{BadSetting, TlsConfig},
    http::tls::Tls,
};
use sse_broadcaster_acme::{
    Issued, MAX_DELAY, OrderError, Responder as _, Settings, Store, order, retry_delay,
    suggested_renewal,
};
use sse_broadcaster_tls::{Certificates, Pair};

/// How often the thread looks at the clock, and whether another process has renewed the certificate.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);
/// Shortest time from one certificate to the next, however short or old those are that the authority issues.
const LEAST_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How long to wait while another process orders.
const LOCKED_DELAY: Duration = Duration::from_secs(30);

/// The orders of this server: they begin with `start`, and end with this.
pub(crate) struct Acme {
    keeper: Option<Keeper>,
    retries: Option<SyncSender<()>>,
}

/// What the thread works with.
struct Keeper {
    settings: Settings,
    store: Store,
    path: PathBuf,
    responder: Proofs,
    /// The state of the file that was read last.
    seen: Option<FileState>,
    kept: Option<Kept>,
    failures: u32,
    /// No order begins before this.
    not_before: Option<SystemTime>,
}

/// Opens the directory, and serves the certificate in it, if there is a valid one; `None` where none is ordered.
///
/// # Errors
/// For settings that cannot be used, and a directory that cannot be written.
pub(crate) fn open(config: &TlsConfig, tls: &Tls) -> Result<Option<Acme>, BadSetting> {
    let settings = config.acme.settings(!config.redirect_http.is_empty())?;
    let (Some((settings, directory)), Some(orders)) = (settings, &tls.orders) else {
        return Ok(None);
    };
    let store = Store::open(directory, &settings.directory)
        .map_err(|error| BadSetting(format!("--acme-dir {}: {error}", directory.display())))?;
    let mut keeper = Keeper {
        settings,
        path: store.certificate(),
        store,
        responder: Proofs {
            current: Arc::clone(&tls.certificates),
            orders: Arc::clone(orders),
        },
        seen: None,
        kept: None,
        failures: 0,
        not_before: None,
    };
    keeper.look();
    Ok(Some(Acme {
        keeper: Some(keeper),
        retries: None,
    }))
}

impl Acme {
    /// Starts the thread, unless it runs.
    pub(crate) fn start(&mut self) {
        let Some(keeper) = self.keeper.take() else {
            return;
        };
        // One is enough, however many requests there are meanwhile.
        let (retry, retries) = sync_channel(1);
        let wait = move || match retries.recv_timeout(CHECK_INTERVAL) {
            Ok(()) => Some(true),
            Err(RecvTimeoutError::Timeout) => Some(false),
            Err(RecvTimeoutError::Disconnected) => None,
        };
        let run = move || keeper.run(wait);
        match thread::Builder::new().name("acme".to_owned()).spawn(run) {
            Ok(_) => self.retries = Some(retry),
            Err(error) => {
                log::error!("no certificate is ordered: no thread can be started: {error}");
            }
        }
    }

    /// Repeats an order that has failed at once.
    pub(crate) fn retry(&self) {
        if let Some(retries) = &self.retries {
            // One that is full has the request already.
            let _ = retries.try_send(());
        }
    }
}

impl Keeper {
    /// Orders when an order is due, until `wait` returns `None`; `Some(true)` is a request to repeat one that has failed.
    fn run(mut self, wait: impl Fn() -> Option<bool>) {
        let mut is_requested = false;
        loop {
            self.look();
            if self.is_due(SystemTime::now(), is_requested) {
                self.try_order();
            } else {
                self.ask(SystemTime::now());
            }
            match wait() {
                Some(requested) => is_requested = requested,
                None => return,
            }
        }
    }

    fn is_due(&mut self, now: SystemTime, is_requested: bool) -> bool {
        let is_needed = self
            .kept
            .as_ref()
            .is_none_or(|kept| now >= kept.renewal || !kept.has_all_names);
        if is_requested && self.failures > 0 {
            self.not_before = None;
        }
        // A clock that was set back must not hold the next attempt up.
        let latest = now + MAX_DELAY;
        self.not_before = self.not_before.map(|time| time.min(latest));
        is_needed && self.not_before.is_none_or(|time| now >= time)
    }

    /// Reads the file of the certificate if it has changed: another process may have renewed it.
    fn look(&mut self) {
        let state = FileState::of(&self.path);
        if self.seen == Some(state) {
            return;
        }
        self.seen = Some(state);
        if state == FileState::Missing(io::ErrorKind::NotFound) {
            return;
        }
        let pair = match Pair::read(&self.path, &self.path) {
            Ok(pair) => pair,
            Err(error) => return log::error!("a new certificate is ordered, since {error}"),
        };
        if pair.valid_until() > SystemTime::now() {
            self.serve(&pair);
        } else {
            log::warn!("{} has expired: a new one is ordered", self.path.display());
        }
    }

    fn serve(&mut self, pair: &Pair) {
        let kept = Kept::new(pair, &self.settings.names);
        self.responder
            .current
            .replace_ordered(Certificates::new(std::slice::from_ref(pair)));
        let [until, next] = [kept.valid_until, kept.renewal].map(humantime::format_rfc3339_seconds);
        log::info!(
            "the certificate for {} is valid until {until}, and is renewed from {next} on",
            self.names()
        );
        self.kept = Some(kept);
    }

    /// Asks the authority, if that is due, whether it wants the certificate to be renewed earlier.
    fn ask(&mut self, now: SystemTime) {
        let Some(kept) = self.kept.as_mut().filter(|kept| now >= kept.ask_at) else {
            return;
        };
        kept.ask_at = now + ASK_INTERVAL;
        let Some(certificate) = &kept.certificate else {
            return;
        };
        let (settings, store) = (&self.settings, &self.store);
        let asking = || suggested_renewal(settings, store, certificate, fastrand::f64());
        match catch_unwind(AssertUnwindSafe(asking)) {
            Ok(Ok(Some(suggested))) if suggested < kept.renewal => {
                kept.renewal = suggested;
                let time = humantime::format_rfc3339_seconds(suggested);
                log::info!("the authority wants the certificate to be renewed from {time} on");
            }
            Ok(Err(error)) => log::debug!("the authority suggests no time of renewal: {error}"),
            Ok(Ok(_)) | Err(_) => {}
        }
    }

    fn try_order(&mut self) {
        let _lock = match self.store.lock() {
            Ok(Some(lock)) => lock,
            Ok(None) => {
                log::debug!("another process orders a certificate");
                self.not_before = Some(SystemTime::now() + LOCKED_DELAY);
                return;
            }
            Err(error) => return self.failed(&error.to_string(), None),
        };
        // Another process may have been faster.
        self.look();
        if !self.is_due(SystemTime::now(), false) {
            return;
        }
        let directory = &self.settings.directory;
        log::info!("ordering a certificate for {} at {directory}", self.names());
        let ordering = || order(&self.settings, &self.store, &self.responder);
        // A fault in what reads the authority's responses must not end renewals.
        match catch_unwind(AssertUnwindSafe(ordering)) {
            Ok(Ok(issued)) => self.accept(&issued),
            Ok(Err(error)) => self.failed(&error.to_string(), OrderError::retry_after(&error)),
            Err(_) => {
                self.responder.withdraw();
                self.failed("the order failed by a fault of this program", None);
            }
        }
    }

    /// Serves and keeps a new certificate.
    fn accept(&mut self, issued: &Issued) {
        let (chain, key) = (issued.chain.as_bytes(), issued.key.as_bytes());
        let pair = match Pair::from_pem((&self.path, chain), (&self.path, key)) {
            Ok(pair) => pair,
            Err(error) => return self.failed(&error.to_string(), None),
        };
        let lacks = |name: &&String| !pair.names().contains(name);
        if let Some(name) = self.settings.names.iter().find(lacks) {
            return self.failed(&format!("the new certificate lacks {name}"), None);
        }
        if pair.valid_until() <= SystemTime::now() {
            return self.failed("the new certificate has expired already", None);
        }
        self.responder.orders.issued.fetch_add(1, Ordering::Relaxed);
        self.failures = 0;
        self.not_before = Some(SystemTime::now() + LEAST_INTERVAL);
        // It is served even if it cannot be kept: a restart then orders another.
        let pem = [&*issued.key, &*issued.chain].concat();
        if let Err(error) = self.store.write_certificate(&pem) {
            let path = self.path.display();
            log::error!("the new certificate cannot be kept: {path}: {error}");
        }
        self.seen = Some(FileState::of(&self.path));
        self.serve(&pair);
    }

    fn failed(&mut self, why: &str, retry_after: Option<Duration>) {
        self.responder.orders.failed.fetch_add(1, Ordering::Relaxed);
        self.failures = self.failures.saturating_add(1);
        let delay = retry_delay(self.failures, retry_after, fastrand::f64());
        self.not_before = Some(SystemTime::now() + delay);
        let delay = humantime::format_duration(Duration::from_secs(delay.as_secs()));
        let (names, directory) = (self.names(), &self.settings.directory);
        match &self.kept {
            Some(kept) => {
                let until = humantime::format_rfc3339_seconds(kept.valid_until);
                log::warn!(
                    "no new certificate for {names} from {directory}: {why}; the next attempt is in {delay}, and the old \
                     one is valid until {until}"
                );
            }
            None => log::error!(
                "no certificate for {names} from {directory}: {why}; the next attempt is in {delay}"
            ),
        }
    }

    /// The names, for the log.
    fn names(&self) -> String {
        match &*self.settings.names {
            [name] => name.clone(),
            [name, others @ ..] => format!("{name} and {} more", others.len()),
            [] => String::new(),
        }
    }
}
