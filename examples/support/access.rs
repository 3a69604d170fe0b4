//! Who may write through an example's routes.

use std::net::SocketAddr;

use sse_broadcaster_actix::{Access, Publishers};

/// Where the pages of an example are reached by others, to be flattened into its settings.
#[derive(Debug, clap::Args)]
pub struct Origins {
    /// Scheme and name under which others reach the page; repeatable
    #[arg(long = "origin", value_name = "ORIGIN", value_parser = origin)]
    origins: Vec<String>,
}

impl Origins {
    /// Behind a name or a proxy, and on an address that others reach, whoever reaches the page may
    /// write; no other site's page may, anywhere.
    #[must_use]
    pub fn access(&self, listen: SocketAddr) -> Access {
        let is_local = listen.ip().is_loopback() && self.origins.is_empty();
        let publishers = if is_local {
            Publishers::Local
        } else {
            Publishers::Anyone
        };
        Access::default()
            .publishers(publishers)
            .publish_origins(self.origins.clone())
    }
}

fn origin(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    match host {
        Some(host) if !host.is_empty() && !host.contains(['/', '*', '@', ' ']) => {
            Ok(text.to_lowercase())
        }
        _ => Err("a scheme, a name and nothing behind it, as https://posts.example".into()),
    }
}
