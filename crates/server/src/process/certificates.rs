//! The certificates of the server: read at the start, when their files change, and on SIGHUP.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::SystemTime,
};

use super::{
    acme::{self, Acme},
    key_file::{FileState, Polled},
};
use crate::{
    config::{BadSetting, TlsConfig, with_sources},
    http::{
        http2,
        tls::{Orders, Tls},
    },
};
use sse_broadcaster_cli::FileAccess;
use sse_broadcaster_tls::{
    CHALLENGE_PROTOCOL, Certificates, Current, Pair, PairError, pairs_in, server_config,
};

/// The protocols that clients may choose, the preferred first.
const PROTOCOLS: [&[u8]; 2] = [http2::PROTOCOL, b"http/1.1"];
/// Those of a server that orders its certificate.
const WITH_CHALLENGES: [&[u8]; 3] = [PROTOCOLS[0], PROTOCOLS[1], CHALLENGE_PROTOCOL];

/// Reads the certificates, and returns how connections are encrypted, and what keeps the certificates those of the files;
/// `None` without TLS.
///
/// # Errors
/// For a file that cannot be used.
pub(crate) fn open(config: &TlsConfig) -> Result<Option<(Tls, CertificateFiles)>, BadSetting> {
    if !config.is_enabled() {
        return Ok(None);
    }
    let files = Polled::new(states(config)?);
    let current = Current::new(read(config)?);
    let orders = config.acme.is_enabled().then(Arc::<Orders>::default);
    let protocols: &[_] = if orders.is_some() {
        &WITH_CHALLENGES
    } else {
        &PROTOCOLS
    };
    let tls = server_config(&current, protocols)
        .map_err(|error| BadSetting(format!("TLS cannot be set up: {error}")))?;
    let tls = Tls {
        config: Arc::new(tls),
        counts: Arc::default(),
        certificates: Arc::clone(&current),
        orders,
    };
    let files = CertificateFiles {
        acme: acme::open(config, &tls)?,
        config: config.clone(),
        current,
        files,
    };
    Ok(Some((tls, files)))
}

/// Checks what the start would, and writes nothing.
///
/// # Errors
/// As [`open`].
pub(crate) fn check(config: &TlsConfig) -> Result<(), BadSetting> {
    if config.is_enabled() {
        read(config)?;
        config.acme.settings(!config.redirect_http.is_empty())?;
    }
    Ok(())
}

/// Keeps the certificates those of the files.
pub(crate) struct CertificateFiles {
    config: TlsConfig,
    current: Arc<Current>,
    files: Polled<Vec<(PathBuf, FileState)>>,
    acme: Option<Acme>,
}

impl CertificateFiles {
    /// Begins to order a certificate when one is due: the server accepts connections, which it takes to prove its names.
    pub(crate) fn start_orders(&mut self) {
        if let Some(acme) = &mut self.acme {
            acme.start();
        }
    }

    /// Reads them again if they have changed, or if that was requested. An order that has failed is then repeated.
    pub(crate) fn update(&mut self, is_requested: bool) {
        if let Some(acme) = &self.acme
            && is_requested
        {
            acme.retry();
        }
        if !self.config.has_files() {
            return;
        }
        let states = match states(&self.config) {
            Ok(states) => states,
            Err(bad) if is_requested => {
                return log::error!("the certificates stay as they were: {bad}");
            }
            // It may be replaced at this moment.
            Err(_) => return,
        };
        if !self.files.is_new(&states) && !is_requested {
            return;
        }
        self.files.load();
        match read(&self.config) {
            Ok(certificates) => {
                self.current.replace(certificates);
                log::info!("read the certificates again");
            }
            Err(bad) => log::error!("the certificates stay as they were: {bad}"),
        }
    }
}

fn read(config: &TlsConfig) -> Result<Certificates, BadSetting> {
    let pairs = pairs(config)?;
    if pairs.is_empty() && config.has_files() {
        return Err(no_pair(config));
    }
    Ok(Certificates::new(&pairs))
}

fn no_pair(config: &TlsConfig) -> BadSetting {
    let directory = config.tls_dir.as_deref().unwrap_or(Path::new(""));
    BadSetting(format!(
        "--tls-dir {}: there is no certificate with its key: give NAME.crt and NAME.key, or a directory NAME with \
         fullchain.pem and privkey.pem",
        directory.display()
    ))
}

/// The files of all pairs, that of `--tls-cert` first.
fn paths(config: &TlsConfig) -> Result<Vec<(PathBuf, PathBuf)>, BadSetting> {
    let own = config.pair()?;
    let own = own.map(|(certificate, key)| (certificate.to_owned(), key.to_owned()));
    let mut paths: Vec<_> = own.into_iter().collect();
    if let Some(directory) = &config.tls_dir {
        let found = pairs_in(directory);
        paths.extend(
            found.map_err(|error| {
                BadSetting(format!("--tls-dir {}: {error}", directory.display()))
            })?,
        );
    }
    Ok(paths)
}

fn states(config: &TlsConfig) -> Result<Vec<(PathBuf, FileState)>, BadSetting> {
    let files = paths(config)?
        .into_iter()
        .flat_map(|(chain, key)| [chain, key]);
    let states = files.map(|file| {
        let state = FileState::of(&file);
        (file, state)
    });
    Ok(states.collect())
}

fn pairs(config: &TlsConfig) -> Result<Vec<Pair>, BadSetting> {
    let pairs = paths(config)?.into_iter().map(|(certificate, key)| {
        let pair = Pair::read(&certificate, &key).map_err(|error| bad(&error))?;
        report(&pair, &certificate, &key);
        Ok(pair)
    });
    pairs.collect()
}

fn bad(error: &PairError) -> BadSetting {
    BadSetting(format!("TLS: {}", with_sources(error)))
}

/// Warns of what clients will refuse, and of a key that others can read.
fn report(pair: &Pair, certificate: &Path, key: &Path) {
    let now = SystemTime::now();
    let path = certificate.display();
    let time = humantime::format_rfc3339_seconds;
    if pair.valid_until() <= now {
        log::warn!(
            "the certificate in {path} has expired, on {}",
            time(pair.valid_until())
        );
    } else if pair.valid_from() > now {
        log::warn!(
            "the certificate in {path} is not valid before {}",
            time(pair.valid_from())
        );
    }
    if pair.names().is_empty() && !pair.has_addresses() {
        log::warn!(
            "the certificate in {path} has no DNS name and no address, so that browsers accept it for none"
        );
    }
    let access = FileAccess::at(key);
    if let Some(exposure) = access
        .ok()
        .and_then(|access| access.exposure("the private key", key))
    {
        log::warn!("{exposure}");
    }
}
