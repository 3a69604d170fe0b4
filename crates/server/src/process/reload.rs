//! SIGHUP: reads the configuration file and the key files again, and applies what can change while the server runs.

use std::{net::SocketAddr, sync::Arc};

use parking_lot::Mutex;
use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_actix::{Authorization, TrustedProxies};
use sse_broadcaster_http::Gate;
use sse_broadcaster_mercure::Hub;
use tokio::time::{MissedTickBehavior, interval};

use super::{
    admission::{self, AdmissionFiles, AdmissionKeys},
    authorization,
    broadcaster_options::max_subscribers,
    certificates::CertificateFiles,
    key_file::POLL_INTERVAL,
    logging,
    signals::Hangups,
    systemd::Notifier,
};
use crate::config::{BadSetting, Config, TokenConfig};

/// Reads all settings as they are now; the error is one sentence.
pub(crate) type ReadSettings = fn() -> Result<Config, String>;

/// What settings change while the server runs.
pub(crate) struct Running {
    /// Reads the settings again.
    pub(crate) read: ReadSettings,
    /// The settings of the start.
    pub(crate) started: Config,
    /// The settings that were read last.
    pub(crate) config: Arc<Mutex<Config>>,
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) max_connections: usize,
    pub(crate) broadcaster: Broadcaster,
    pub(crate) gate: Gate,
    pub(crate) authorization: Authorization,
    pub(crate) proxies: TrustedProxies,
    pub(crate) hub: Option<Arc<Hub>>,
    pub(crate) keys: AdmissionKeys,
    pub(crate) files: AdmissionFiles,
    pub(crate) certificates: Option<CertificateFiles>,
    pub(crate) notifier: Notifier,
}

/// Whether changed settings are in effect.
enum Applied {
    Now,
    AtTheNextStart,
}

/// Settings that are applied together.
struct Group {
    flags: &'static [&'static str],
    apply: fn(&mut Running, &Config) -> Result<Applied, BadSetting>,
}

const GROUPS: [Group; 8] = [
    Group {
        flags: &["log"],
        apply: |_, config| logging::follow(config).map(|()| Applied::Now),
    },
    Group {
        flags: &["max-subscribers"],
        apply: |running, config| {
            running.set_max_subscribers(config);
            Ok(Applied::Now)
        },
    },
    Group {
        flags: &[
            "allow-anonymous-publish",
            "cors-origin",
            "host",
            "max-subscribers-per-address",
            "no-get-publish",
            "no-publish",
            "publish-key",
            "publish-key-file",
            "publish-origin",
        ],
        apply: Running::apply_publishers_and_pages,
    },
    Group {
        flags: &["trusted-proxy", "trusted-proxy-header"],
        apply: Running::apply_proxies,
    },
    Group {
        flags: &["admin-key", "admin-key-file"],
        apply: Running::apply_operators,
    },
    Group {
        flags: &[
            "token-audience",
            "token-issuer",
            "token-jwks-url",
            "token-key",
            "token-key-file",
        ],
        apply: Running::apply_tokens,
    },
    Group {
        flags: &["protected-topic", "subscribe-access"],
        apply: Running::apply_read_rules,
    },
    Group {
        // Looked at when they are due.
        flags: &["drain-delay", "drain-time"],
        apply: |_, _| Ok(Applied::Now),
    },
];

/// Reads key files again when they have changed, and at each SIGHUP all files.
pub(crate) async fn follow(mut running: Running, mut hangups: Hangups) {
    let mut polls = interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if let Some(certificates) = &mut running.certificates {
        certificates.start_orders();
    }
    loop {
        let is_requested = tokio::select! {
            () = hangups.requested() => true,
            _ = polls.tick(), if running.has_files() => false,
        };
        // Not on this thread: a file may be on a disk that hangs.
        let updated = tokio::task::spawn_blocking(move || {
            if is_requested {
                running.notifier.reloading();
                running.reload();
                running.notifier.ready();
            } else {
                running.update_files(false);
            }
            running
        });
        match updated.await {
            Ok(updated) => running = updated,
            Err(_) => return,
        }
    }
}

impl Running {
    fn reload(&mut self) {
        log::info!("received SIGHUP");
        if !self.has_files() && self.config.lock().file.is_none() {
            log::info!("there is no configuration file and no key file to read again");
            return;
        }
        match (self.read)() {
            Ok(config) => self.apply(config),
            Err(why) => log::error!("the settings stay as they were: {why}"),
        }
        self.update_files(true);
    }

    fn has_files(&self) -> bool {
        !self.files.is_empty() || self.certificates.is_some()
    }

    /// Reads the files again that have changed, or all if that was requested.
    fn update_files(&mut self, is_requested: bool) {
        self.files.update(is_requested);
        if let Some(certificates) = &mut self.certificates {
            certificates.update(is_requested);
        }
    }

    fn apply(&mut self, mut new: Config) {
        let old = self.config.lock().given.clone();
        let changed = old.changed(&new.given);
        let (mut applied, mut refused) = (Vec::new(), Vec::new());
        for group in &GROUPS {
            let flags = group.flags.iter().copied();
            let flags: Vec<_> = flags.filter(|flag| changed.contains(*flag)).collect();
            if flags.is_empty() {
                continue;
            }
            match (group.apply)(self, &new) {
                Ok(Applied::Now) => applied.extend(flags),
                Ok(Applied::AtTheNextStart) => {}
                Err(why) => {
                    log::error!("{} stay as they were: {why}", flags.join(", "));
                    refused.extend(flags);
                }
            }
        }
        for flag in &changed {
            if applied.contains(&flag.as_str()) {
                log::info!("{}", new.given.description(flag));
                continue;
            }
            if !refused.contains(&flag.as_str()) {
                log::warn!("{flag} has changed, which takes effect at the next start");
            }
            new.given.keep(flag, &old);
        }
        *self.config.lock() = new;
    }

    fn set_max_subscribers(&self, config: &Config) {
        let max = max_subscribers(config, self.max_connections);
        self.broadcaster.set_max_subscribers(max);
    }

    fn apply_publishers_and_pages(&mut self, config: &Config) -> Result<Applied, BadSetting> {
        let setting = admission::publish_keys(config)?;
        config.check_publishing(&self.addresses, setting.has_keys())?;
        self.files.publishers = setting.load_into(&self.keys.publishers)?;
        self.gate
            .replace(admission::access(config, &self.keys.publishers));
        Ok(Applied::Now)
    }

    fn apply_proxies(&mut self, config: &Config) -> Result<Applied, BadSetting> {
        let mut config = config.clone();
        // Listeners stay as they were opened.
        config.proxies.proxy_protocol = self.started.proxies.proxy_protocol;
        self.proxies.replace(&config.trusted_proxies()?);
        Ok(Applied::Now)
    }

    /// Where there was no key of operators, connections are not kept, and there are no routes for operators.
    fn apply_operators(&mut self, config: &Config) -> Result<Applied, BadSetting> {
        let setting = admission::admin_keys(config)?;
        if self.keys.operators.is_empty() || !setting.has_keys() {
            return Ok(Applied::AtTheNextStart);
        }
        self.files.operators = setting.load_into(&self.keys.operators)?;
        Ok(Applied::Now)
    }

    fn apply_tokens(&mut self, config: &Config) -> Result<Applied, BadSetting> {
        let Some(tokens) = &self.keys.tokens else {
            return Ok(Applied::AtTheNextStart);
        };
        if !config.access.tokens.has_keys() {
            return Ok(Applied::AtTheNextStart);
        }
        let started = &self.started.access.tokens;
        let settings = TokenConfig {
            // Revocations are kept for as long as these say, from the start on.
            token_leeway: started.token_leeway,
            token_lifetime: started.token_lifetime,
            ..config.access.tokens.clone()
        };
        self.files.tokens = Some(authorization::reload(&settings, tokens)?);
        Ok(Applied::Now)
    }

    fn apply_read_rules(&mut self, config: &Config) -> Result<Applied, BadSetting> {
        config.access.check()?;
        let protected = config.access.protected_topics(&config.given)?;
        let subscribe = authorization::subscribe_access(&config.access, self.hub.is_some());
        if !self
            .authorization
            .replace_rules(subscribe, protected.clone())
        {
            return Ok(Applied::AtTheNextStart);
        }
        let hub = self.hub.as_ref();
        if hub.is_none_or(|hub| hub.replace_rules(subscribe, protected)) {
            return Ok(Applied::Now);
        }
        Ok(Applied::AtTheNextStart)
    }
}
