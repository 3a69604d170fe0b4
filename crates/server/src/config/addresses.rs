//! The addresses to listen on, and who may publish over them.

use std::{
    io,
    net::{SocketAddr, ToSocketAddrs as _},
    path::PathBuf,
};

use super::{BadSetting, Config};
use sse_broadcaster_cli::{UNIX, is_loopback};

/// Who may publish, as settings.
const CHOICES: &str = "Clients with a key, such as openssl rand -hex 32 prints: --publish-key-file FILE or \
    SSE_BROADCASTER_PUBLISH_KEY=… in the environment; every client: --allow-anonymous-publish or \
    SSE_BROADCASTER_ALLOW_ANONYMOUS_PUBLISH=true; no client: --no-publish or SSE_BROADCASTER_NO_PUBLISH=true";

impl Config {
    /// The addresses of `--listen` and of `--admin-listen`.
    ///
    /// # Errors
    /// When one cannot be resolved.
    pub fn addresses(&self) -> Result<(Vec<SocketAddr>, Vec<SocketAddr>), BadSetting> {
        let public = resolve("--listen", &self.listen)?;
        if public.is_empty() && self.sockets().0.is_empty() {
            return Err(BadSetting(
                "--listen is empty: give an address and a port, for example 127.0.0.1:8000".into(),
            ));
        }
        Ok((public, resolve("--admin-listen", &self.admin_listen)?))
    }

    /// The addresses of `--redirect-http`; none without TLS.
    ///
    /// # Errors
    /// When one cannot be resolved.
    pub fn redirect_addresses(&self) -> Result<Vec<SocketAddr>, BadSetting> {
        if !self.tls.is_enabled() {
            return Ok(Vec::new());
        }
        resolve("--redirect-http", &self.tls.redirect_http)
    }

    /// The Unix sockets of `--listen` and of `--admin-listen`.
    #[must_use]
    pub fn sockets(&self) -> (Vec<PathBuf>, Vec<PathBuf>) {
        let paths = |texts: &[String]| {
            let paths = texts.iter().filter_map(|text| text.strip_prefix(UNIX));
            paths.map(PathBuf::from).collect()
        };
        (paths(&self.listen), paths(&self.admin_listen))
    }

    /// Checks that the operator has chosen who may publish if an address can be reached from other machines.
    ///
    /// # Errors
    /// Names the three settings of which one must be chosen.
    pub fn check_publishing(
        &self,
        addresses: &[SocketAddr],
        has_keys: bool,
    ) -> Result<(), BadSetting> {
        let has_grants = self.access.has_grants() || self.mercure.has_publisher_key();
        let chosen = has_keys || has_grants || self.allow_anonymous_publish || self.no_publish;
        if self.proxies.proxy_protocol && !chosen {
            return Err(BadSetting(format!(
                "with --proxy-protocol the clients of a proxy reach the server: choose who may publish. {CHOICES}"
            )));
        }
        match addresses.iter().find(|address| !is_loopback(address.ip())) {
            Some(public) if !chosen => Err(BadSetting(format!(
                "{public} can be reached from other machines: choose who may publish. {CHOICES}"
            ))),
            _ => Ok(()),
        }
    }
}

/// The address of a text such as `[fe80::1%eth0]:8000`, whose zone may be a name; `None` without a zone.
fn with_zone(text: &str) -> Option<io::Result<Vec<SocketAddr>>> {
    let (host, port) = text.strip_prefix('[')?.split_once("]:")?;
    let port: u16 = port.parse().ok().filter(|_| host.contains('%'))?;
    Some((host, port).to_socket_addrs().map(Vec::from_iter))
}

fn resolve(flag: &str, texts: &[String]) -> Result<Vec<SocketAddr>, BadSetting> {
    let mut addresses = Vec::new();
    let is_address = |text: &&String| !text.is_empty() && !text.starts_with(UNIX);
    for text in texts.iter().filter(is_address) {
        let found = with_zone(text).unwrap_or_else(|| text.to_socket_addrs().map(Vec::from_iter));
        let found = found.map_err(|_| {
            BadSetting(format!(
                "{flag} {text}: give an address and a port, for example 127.0.0.1:8000, or unix: and a path"
            ))
        })?;
        addresses.extend(found);
    }
    addresses.dedup();
    Ok(addresses)
}
