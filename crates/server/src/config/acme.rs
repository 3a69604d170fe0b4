//! The settings of certificates by ACME.

use std::{
    collections::HashSet,
    net::IpAddr,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum, builder::BoolishValueParser};
use sse_broadcaster_acme::{ChallengeKind, Settings, Url};
use sse_broadcaster_tls::certificates_in;

use super::{BadSetting, with_sources};

/// Most names of a certificate, as Let's Encrypt has it.
const MAX_NAMES: usize = 100;
/// Longest name (RFC 1035, section 2.3.4), and longest label.
const MAX_NAME_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;
/// The directories of Let's Encrypt.
const PRODUCTION: &str = "https://acme-v02.api.letsencrypt.org/directory";
const STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

#[derive(Debug, Clone, Args)]
#[allow(clippy::struct_field_names, reason = "each is named as its flag")]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct AcmeConfig {
    /// Name for which a certificate is ordered by ACME, and renewed: the addresses of --listen then serve HTTPS;
    /// repeatable, all in one certificate
    #[arg(
        long,
        env = "SSE_BROADCASTER_ACME_DOMAIN",
        value_name = "NAME",
        value_delimiter = ',',
        value_parser = name
    )]
    pub acme_domain: Vec<String>,

    /// Directory where the account, the certificate and its key are kept
    #[arg(long, env = "SSE_BROADCASTER_ACME_DIR", value_name = "DIRECTORY")]
    pub acme_dir: Option<PathBuf>,

    /// You agree to the authority's terms of service; nothing is ordered otherwise
    #[arg(long, env = "SSE_BROADCASTER_ACME_AGREE_TOS", value_parser = BoolishValueParser::new())]
    pub acme_agree_tos: bool,

    /// Address where the authority reaches you about the account
    #[arg(long, env = "SSE_BROADCASTER_ACME_EMAIL", value_name = "EMAIL", value_parser = email)]
    pub acme_email: Option<String>,

    /// The authority: production or staging of Let's Encrypt, or the https URL of the directory of another
    #[arg(
        long,
        env = "SSE_BROADCASTER_ACME_DIRECTORY",
        value_name = "URL",
        value_parser = directory,
        default_value = "production"
    )]
    pub acme_directory: Url,

    /// How the authority checks a name: by a handshake at port 443 (tls-alpn-01), or by a request at port 80, which is to
    /// lead to --redirect-http (http-01)
    #[arg(
        long,
        env = "SSE_BROADCASTER_ACME_CHALLENGE",
        value_name = "KIND",
        default_value = "tls-alpn-01"
    )]
    pub acme_challenge: AcmeChallenge,

    /// File with the certificates in PEM by which the directory of a private authority is trusted [default: those of the
    /// system]
    #[arg(long, env = "SSE_BROADCASTER_ACME_CA", value_name = "FILE")]
    pub acme_ca: Option<PathBuf>,
}

/// How an authority checks a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AcmeChallenge {
    #[value(name = "tls-alpn-01")]
    TlsAlpn,
    #[value(name = "http-01")]
    Http,
}

impl AcmeConfig {
    /// Whether a certificate is ordered.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        !self.acme_domain.is_empty()
    }

    /// What is ordered, and where it is kept; `None` if nothing is.
    ///
    /// # Errors
    /// Names the setting that is missing or cannot be used.
    pub(crate) fn settings(
        &self,
        redirects: bool,
    ) -> Result<Option<(Settings, &Path)>, BadSetting> {
        if !self.is_enabled() {
            return Ok(None);
        }
        let mut names = self.acme_domain.clone();
        let mut seen = HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        if names.len() > MAX_NAMES {
            return Err(BadSetting(format!(
                "--acme-domain is given for {} names: one certificate has at most {MAX_NAMES}",
                names.len()
            )));
        }
        let Some(directory) = &self.acme_dir else {
            return Err(BadSetting(
                "--acme-domain needs --acme-dir: the directory where the account, the certificate and its key are kept"
                    .into(),
            ));
        };
        if !self.acme_agree_tos {
            return Err(BadSetting(format!(
                "--acme-domain needs --acme-agree-tos: by it you agree to the terms of service of the authority, \
                 which {} names",
                self.acme_directory
            )));
        }
        if self.acme_challenge == AcmeChallenge::Http && !redirects {
            return Err(BadSetting(
                "--acme-challenge http-01 needs --redirect-http: the address that port 80 leads to, for example \
                 0.0.0.0:80"
                    .into(),
            ));
        }
        let roots = match &self.acme_ca {
            Some(file) => certificates_in(file)
                .map_err(|error| BadSetting(format!("--acme-ca: {}", with_sources(&error))))?,
            None => Vec::new(),
        };
        let settings = Settings {
            directory: self.acme_directory.clone(),
            roots,
            names,
            email: self.acme_email.clone(),
            agrees_to_terms: self.acme_agree_tos,
            challenge: match self.acme_challenge {
                AcmeChallenge::TlsAlpn => ChallengeKind::TlsAlpn,
                AcmeChallenge::Http => ChallengeKind::Http,
            },
        };
        Ok(Some((settings, directory)))
    }
}

/// An exact name, in lower case.
fn name(text: &str) -> Result<String, String> {
    let text = text.trim();
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.contains('*') {
        return Err("a wildcard cannot be ordered here: list each name".to_owned());
    }
    if name.parse::<IpAddr>().is_ok() {
        return Err("certificates are ordered for names, not for addresses".to_owned());
    }
    if !name.is_ascii() {
        let url = Url::parse(&format!("https://{name}")).ok();
        let right = url.and_then(|url| url.host_str().map(str::to_owned));
        let right = right.map(|right| format!(": write {right}"));
        return Err(format!(
            "a name has ASCII letters alone{}",
            right.unwrap_or_default()
        ));
    }
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
        let edges = !label.starts_with('-') && !label.ends_with('-');
        (1..=MAX_LABEL_BYTES).contains(&label.len()) && label.bytes().all(inner) && edges
    };
    if name.len() > MAX_NAME_BYTES || !name.split('.').all(is_label) {
        return Err(
            "this is no name of a server, without scheme and port: for example events.example.com"
                .to_owned(),
        );
    }
    Ok(name)
}

fn directory(text: &str) -> Result<Url, String> {
    let text = match text.trim() {
        "production" => PRODUCTION,
        "staging" => STAGING,
        text => text,
    };
    let url = Url::parse(text).ok();
    let url = url.filter(|url| {
        let has_secrets = !url.username().is_empty() || url.password().is_some();
        url.scheme() == "https" && url.has_host() && !has_secrets
    });
    url.ok_or_else(|| {
        "use production or staging, or an https URL such as https://ca.example.com/acme/acme/directory"
            .to_owned()
    })
}

fn email(text: &str) -> Result<String, String> {
    let text = text.trim();
    let parts = text.split_once('@');
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
    let has_others = text.contains([',', '?', ':', '<', '>', '"']);
    match parts {
        Some((user, host)) if !user.is_empty() && !host.is_empty() && is_plain && !has_others => {
            Ok(text.to_owned())
        }
        _ => Err("use one address, for example ops@example.com".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_exact_and_what_would_be_right_is_said() {
        for (text, expected) in [
            ("events.example.com", "events.example.com"),
            (" Events.Example.com. ", "events.example.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("localhost", "localhost"),
        ] {
            assert_eq!(name(text).unwrap(), expected);
        }
        for (text, expected) in [
            ("*.example.com", "list each name"),
            ("192.0.2.1", "not for addresses"),
            ("::1", "not for addresses"),
            ("bücher.example", "write xn--bcher-kva.example"),
            ("https://a.example", "without scheme and port"),
            ("a.example:443", "without scheme and port"),
            ("a..example", "without scheme"),
            ("-a.example", "without scheme"),
            ("", "without scheme"),
            (&"a.".repeat(200), "without scheme"),
            (&"a".repeat(64), "without scheme"),
        ] {
            let error = name(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_directory_is_that_of_lets_encrypt_by_its_short_name_or_an_https_url() {
        assert_eq!(directory("staging").unwrap().as_str(), STAGING);
        assert_eq!(directory("production").unwrap().as_str(), PRODUCTION);
        let own = "https://localhost:14000/dir";
        assert_eq!(directory(own).unwrap().as_str(), own);
        for text in ["http://a.example/", "test", "https://u:p@a.example/", ""] {
            assert!(directory(text).is_err(), "{text}");
        }
        assert!(email("ops@example.com").is_ok());
        for text in ["ops", "@a", "a@", "a@b,c@d", "mailto:a@b", "a b@c"] {
            assert!(email(text).is_err(), "{text}");
        }
    }
}
