//! `sse-broadcaster token`: creates tokens, and says why one is accepted or refused.

mod check;
mod claims;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use sse_broadcaster_access::{
    keys::MAX_KEY_TEXT_BYTES,
    mint::{NewToken, SigningKey},
    token::without_effect,
};
use sse_broadcaster_cli::{Failure, Secret, print, print_to_stderr, read_bounded};

use crate::config::TokenConfig;

const EXAMPLES: &str = "Examples:
  sse-broadcaster token --key-file key --sub 17 --subscribe 'users/17/{+rest}' --publish news
  sse-broadcaster token --key-file key.pem --key-id 2026 --subscribe '*' --expires 10m
  sse-broadcaster token --check --token-key-file key --topic users/17/notes < token";

/// Create a token, or say why one is accepted or refused
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub(super) struct Token {
    /// Say which check the token fails, or what it grants and until when; exit code 1 if it is refused.
    /// Without TOKEN it is read from standard input, which other users of the machine cannot see
    #[arg(long, conflicts_with_all = [
        "key_file", "key_id", "algorithm", "sub", "iss", "aud", "token_id", "subscribe", "publish", "presence",
        "claims", "expires", "access_token", "admin",
    ])]
    check: bool,

    /// The token to check
    #[arg(id = "token", value_name = "TOKEN", requires = "check")]
    checked: Option<Secret>,

    /// With --check: a topic, for which it says what is granted; repeatable
    #[arg(long, value_name = "TOPIC", requires = "check")]
    topic: Vec<String>,

    /// Key that signs: a file with a private key in PEM, or a line "HS256 SECRET" [default: the secret of
    /// --token-key or of the one --token-key-file]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,

    /// Id of the key, by which verifiers find it
    #[arg(long, value_name = "ID")]
    key_id: Option<String>,

    /// Algorithm of an RSA key, for example PS256 [default: RS256]
    #[arg(long = "alg", id = "algorithm", value_name = "NAME")]
    algorithm: Option<String>,

    #[command(flatten)]
    claims: claims::Claims,

    /// How long it is valid, or never
    #[arg(long, value_name = "DURATION", value_parser = expires, default_value = "1h")]
    expires: Expires,

    #[command(flatten, next_help_heading = "The server's settings")]
    settings: TokenConfig,
}

/// When a token ends.
#[derive(Debug, Clone, Copy)]
enum Expires {
    After(Duration),
    Never,
}

fn expires(text: &str) -> Result<Expires, String> {
    if text == "never" {
        return Ok(Expires::Never);
    }
    humantime::parse_duration(text)
        .map(Expires::After)
        .map_err(|_| "give a duration such as 10m, 1h or 30d, or never".to_owned())
}

impl Token {
    /// Prints a new token, or the explanation of one.
    pub(super) fn run(&self) -> Result<(), Failure> {
        if self.check {
            return self.check();
        }
        let usage = |why: &dyn std::fmt::Display| Failure::usage(why.to_string());
        let claims = self.claims.read(&self.settings)?;
        let new = NewToken::new(&claims).map_err(|why| usage(&why))?;
        let new = match self.expires {
            Expires::After(lifetime) => new.lifetime(lifetime),
            Expires::Never => new.without_expiry(),
        };
        let new = if self.claims.is_access_token() {
            new.access_token()
        } else {
            new
        };
        let token = new
            .create(&self.signing_key()?)
            .map_err(|why| usage(&why))?;
        for warning in claims.as_object().map(without_effect).unwrap_or_default() {
            print_to_stderr(&format!(
                "{warning} (see --subscribe, --publish and --presence)"
            ));
        }
        print(&[token])
    }

    fn check(&self) -> Result<(), Failure> {
        check::run(&check::Check {
            token: self.checked.as_ref(),
            topics: &self.topic,
            settings: &self.settings,
            as_hub: self.claims.is_for_hub(),
        })
    }

    fn signing_key(&self) -> Result<SigningKey, Failure> {
        let (name, text) = self.key_text()?;
        let bad = |why: &dyn std::fmt::Display| Failure::usage(format!("{name}: {why}"));
        let mut key = SigningKey::parse(text.expose()).map_err(|why| bad(&why))?;
        if let Some(algorithm) = &self.algorithm {
            key = key.with_algorithm(algorithm).map_err(|why| bad(&why))?;
        }
        Ok(match &self.key_id {
            Some(id) => key.with_id(id),
            None => key,
        })
    }

    /// Where the key is from, and its text.
    fn key_text(&self) -> Result<(String, Secret), Failure> {
        if let Some(path) = &self.key_file {
            return read("--key-file", path);
        }
        if let Some(key) = self.settings.given_key() {
            return Ok(("--token-key".to_owned(), key.clone()));
        }
        match self.settings.token_key_file.as_slice() {
            [path] => read("--token-key-file", path),
            _ => Err(Failure::usage(
                "there is no key to sign with: give --key-file with a private key in PEM, or with a line \
                 \"HS256 SECRET\"; this makes one: echo \"HS256 $(openssl rand -hex 32)\" > key",
            )),
        }
    }
}

fn read(flag: &str, path: &Path) -> Result<(String, Secret), Failure> {
    let name = format!("{flag} {}", path.display());
    let read = read_bounded(path, MAX_KEY_TEXT_BYTES as u64);
    let (text, access) = read.map_err(|why| Failure::usage(format!("{name}: {why}")))?;
    if let Some(exposure) = access.exposure(flag, path) {
        print_to_stderr(&exposure);
    }
    Ok((name, Secret::from(text.as_str())))
}
