//! The settings of TLS.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{AcmeConfig, BadSetting};

#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_field_names, reason = "each is named as its flag")]
pub struct TlsConfig {
    /// File with the certificate in PEM, followed by those of its authorities: the addresses of --listen then serve
    /// HTTPS, and no HTTP. It is read again when it has changed, and on SIGHUP
    #[arg(long, env = "SSE_BROADCASTER_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// File with the certificate's private key in PEM
    #[arg(long, env = "SSE_BROADCASTER_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Directory with certificates for several names, each as NAME.crt and NAME.key, or as NAME/fullchain.pem and
    /// NAME/privkey.pem
    #[arg(long, env = "SSE_BROADCASTER_TLS_DIR", value_name = "DIRECTORY")]
    pub tls_dir: Option<PathBuf>,

    /// Address on which every request is redirected to HTTPS, for example 0.0.0.0:80
    #[arg(
        long,
        env = "SSE_BROADCASTER_REDIRECT_HTTP",
        value_name = "HOST:PORT",
        value_delimiter = ','
    )]
    pub redirect_http: Vec<String>,

    /// Port of the addresses that requests are redirected to [default: that of --listen]
    #[arg(
        long,
        env = "SSE_BROADCASTER_REDIRECT_PORT",
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..)
    )]
    pub redirect_port: Option<u16>,

    #[command(flatten)]
    pub acme: AcmeConfig,
}

impl TlsConfig {
    /// Whether the addresses of `--listen` are encrypted.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.has_files() || self.acme.is_enabled()
    }

    /// Whether there are certificates in files of the operator.
    pub(crate) fn has_files(&self) -> bool {
        self.tls_cert.is_some() || self.tls_key.is_some() || self.tls_dir.is_some()
    }

    /// The files of the first pair.
    ///
    /// # Errors
    /// One is given without the other.
    pub(crate) fn pair(&self) -> Result<Option<(&Path, &Path)>, BadSetting> {
        match (&self.tls_cert, &self.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
            (None, None) => Ok(None),
            (Some(_), None) => Err(BadSetting(
                "--tls-cert needs --tls-key: the file with the certificate's private key".into(),
            )),
            (None, Some(_)) => Err(BadSetting(
                "--tls-key needs --tls-cert: the file with the certificate".into(),
            )),
        }
    }
}
