//! `sse-broadcaster health`

use std::time::Duration;

use clap::Args;
use ureq::tls::TlsConfig;

use super::{Defaults, Failure, client, target::Target};

const EXAMPLES: &str = "Examples:
  sse-broadcaster health
  sse-broadcaster health --url http://10.0.0.7:8000";

const TIME_LIMIT: Duration = Duration::from_secs(3);

/// Check whether the server is alive, for a container's health check
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Health {
    /// The server [default: where --admin-listen, else --listen, and their variables say]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

impl Health {
    /// Runs the command; it blocks.
    ///
    /// # Errors
    /// The line for standard error, and the exit code.
    pub fn run(&self, defaults: &Defaults) -> Result<(), Failure> {
        // With an address for administration, the others do not serve the health check.
        let listens = defaults.admin_listen.iter().chain(&defaults.listen);
        let (url, base_path) = (self.url.as_deref(), &defaults.base_path);
        let has_admin = defaults
            .admin_listen
            .iter()
            .any(|listen| !listen.is_empty());
        let by_https = url.is_none() && defaults.is_encrypted && !has_admin;
        let target = Target::of_server(url, listens, base_path, "/health/live")?;
        let target = target.encrypted(by_https);
        let agent = client::agent(&target, |config| {
            let config = config.max_redirects(0).timeout_global(Some(TIME_LIMIT));
            // The certificate is for the server's name, and not for an address of this machine.
            let own = TlsConfig::builder().disable_verification(true).build();
            if by_https && target.is_local() {
                config.tls_config(own)
            } else {
                config
            }
        });
        let mut response = agent
            .get(target.url())
            .call()
            .map_err(|error| Failure::new(format!("{target}: {}", client::why(&error))))?;
        if response.status() == 200 {
            return Ok(());
        }
        let responded = format!("responded {}", response.status());
        let why = client::problem(&mut response).sentence();
        Err(Failure::new(if why.ends_with(&responded) {
            format!("{target} {responded}")
        } else {
            format!("{target} {responded}: {why}")
        }))
    }
}
