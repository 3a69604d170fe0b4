//! The token of a command that reads or publishes, where the server asks for one.

use std::path::PathBuf;

use clap::Args;
use ureq::http::HeaderValue;

use crate::{Failure, Secret, keys::read_within};

/// The variable that has the token where no flag does.
pub const TOKEN_VARIABLE: &str = "SSE_BROADCASTER_TOKEN";
const HELP: &str = "Token for a server with access control [env: SSE_BROADCASTER_TOKEN]";
/// Longest file that is read: servers accept no longer header.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Who reads or publishes, for a server with access control.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct TokenArgs {
    #[arg(long, value_name = "TOKEN", help = HELP, conflicts_with = "token_file")]
    token: Option<Secret>,

    /// File with the token; it is read again before each request
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// Whether a flag has one; the variable does not count.
    pub(crate) fn is_given(&self) -> bool {
        self.token.is_some() || self.token_file.is_some()
    }

    /// The value of the header `Authorization` for the next request, if there is a token.
    ///
    /// # Errors
    /// When the file cannot be read, or no header can carry what it has.
    pub(crate) fn authorization(&self) -> Result<Option<HeaderValue>, Failure> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => Some(token.clone()),
            (None, Some(file)) => {
                let (text, _) = read_within(file, MAX_FILE_BYTES).map_err(|error| {
                    Failure::usage(format!("--token-file {}: {error}", file.display()))
                })?;
                Some(Secret::from(&text[..]))
            }
            (None, None) => std::env::var(TOKEN_VARIABLE)
                .ok()
                .map(|token| Secret::from(&token[..])),
        };
        let token = token.filter(|token| !token.expose().is_empty());
        token.as_ref().map(bearer).transpose()
    }
}

/// The value of the header `Authorization` for this key. The key is in no log, and not in the error.
///
/// # Errors
/// When no header can carry the key.
pub fn bearer(key: &Secret) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| {
        Failure::usage("the key or token holds control characters, which no header can carry")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_no_header_can_carry_is_not_repeated() {
        let Ok(key) = "se\u{7}cret".parse::<Secret>();
        let failure = bearer(&key).unwrap_err();
        assert!(!failure.line.contains("cret"), "{}", failure.line);
    }

    #[test]
    fn a_key_is_not_in_what_is_printed_for_debugging() {
        let Ok(key) = "secret".parse::<Secret>();
        assert!(!format!("{:?}", bearer(&key).unwrap()).contains("secret"));
    }
}
