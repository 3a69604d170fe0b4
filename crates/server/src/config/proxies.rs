//! The settings for proxies before the server.

use clap::{Args, ValueEnum, builder::BoolishValueParser};
use sse_broadcaster_http::{BasePath, ForwardedHeader, TrustedProxies};

use super::{BadSetting, Config};

/// Proxies before the server.
#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct ProxyConfig {
    /// Proxy that is believed about the address of the client: an address, a network such as 10.0.0.0/8, or unix for the
    /// peers of all Unix sockets; repeatable
    #[arg(
        long,
        env = "SSE_BROADCASTER_TRUSTED_PROXY",
        value_name = "ADDRESS",
        value_delimiter = ',',
        value_parser = proxy
    )]
    pub trusted_proxy: Vec<String>,

    /// Header in which trusted proxies name the client. They must write it themselves: the other one is ignored
    #[arg(
        long,
        env = "SSE_BROADCASTER_TRUSTED_PROXY_HEADER",
        value_name = "HEADER",
        default_value = "x-forwarded-for"
    )]
    pub trusted_proxy_header: TrustedProxyHeader,

    /// Connections to the addresses of --listen and --redirect-http begin with a header of the PROXY protocol, version 1
    /// or 2. Those that are not from a --trusted-proxy, or have no such header, are closed
    #[arg(long, env = "SSE_BROADCASTER_PROXY_PROTOCOL", value_parser = BoolishValueParser::new())]
    pub proxy_protocol: bool,

    /// Path below which all routes are, for a proxy that does not remove it, for example /live
    #[arg(long, env = "SSE_BROADCASTER_BASE_PATH", value_name = "PATH", value_parser = base_path)]
    pub base_path: Option<String>,
}

/// A header in which proxies name the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TrustedProxyHeader {
    /// With the scheme in X-Forwarded-Proto
    XForwardedFor,
    /// As in RFC 7239
    Forwarded,
}

fn proxy(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    let checked = TrustedProxies::parse([text]);
    checked.map_err(|why| why.to_string())?;
    Ok(text.to_owned())
}

fn base_path(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(String::new());
    }
    let checked = BasePath::parse(text);
    checked.map_err(|why| why.to_string())?;
    Ok(text.to_owned())
}

impl Config {
    /// The proxies that are believed.
    ///
    /// # Errors
    /// What is no address of a proxy; `--proxy-protocol` without any.
    pub(crate) fn trusted_proxies(&self) -> Result<TrustedProxies, BadSetting> {
        let settings = &self.proxies;
        let given = settings
            .trusted_proxy
            .iter()
            .filter(|text| !text.is_empty());
        let given: Vec<_> = given.collect();
        if settings.proxy_protocol && given.is_empty() {
            return Err(BadSetting(
                "--proxy-protocol accepts connections of trusted proxies alone, and there is none: add --trusted-proxy \
                 with the address or the network of the proxy"
                    .into(),
            ));
        }
        let parsed = TrustedProxies::parse(given);
        let proxies = parsed.map_err(|why| BadSetting(format!("--trusted-proxy: {why}")))?;
        Ok(proxies.header(match settings.trusted_proxy_header {
            TrustedProxyHeader::XForwardedFor => ForwardedHeader::XForwardedFor,
            TrustedProxyHeader::Forwarded => ForwardedHeader::Forwarded,
        }))
    }

    /// The path below which all routes are.
    ///
    /// # Errors
    /// What is no such path.
    pub(crate) fn base_path(&self) -> Result<BasePath, BadSetting> {
        match self.proxies.base_path.as_deref() {
            None | Some("") => Ok(BasePath::default()),
            Some(path) => {
                let parsed = BasePath::parse(path);
                parsed.map_err(|why| BadSetting(format!("--base-path: {why}")))
            }
        }
    }
}
