//! Values that settings of the server and of the client commands have in common.

use std::{fmt, net::IpAddr, path::PathBuf};

/// The prefix of a Unix socket's path where an address is expected.
pub const UNIX: &str = "unix:";

/// The settings of the server, which a command uses where its own flags are not given.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The addresses of `--listen`.
    pub listen: Vec<String>,
    /// The addresses of `--admin-listen`.
    pub admin_listen: Vec<String>,
    /// Whether the addresses of `--listen` serve HTTPS.
    pub is_encrypted: bool,
    /// The path of `--base-path`; empty without one.
    pub base_path: String,
    /// The keys of `--publish-key`.
    pub publish_keys: Vec<Secret>,
    /// The file of `--publish-key-file`.
    pub publish_key_file: Option<PathBuf>,
}

/// A value that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The value itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self(text.trim().to_owned())
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// A setting that cannot be used: one sentence that says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadSetting(pub String);

/// `127.0.0.0/8`, `::1` and `::ffff:127.0.0.0/104`.
#[must_use]
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn loopback_is_127_slash_8_and_colon_colon_1() {
        for (text, loopback) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            let address: SocketAddr = text.parse().unwrap();
            assert_eq!(is_loopback(address.ip()), loopback, "{text}");
        }
    }
}
