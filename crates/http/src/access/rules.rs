//! The rules of access: who may publish, whose pages may read, and under which names.

use std::fmt;

use super::key_ring::KeyRing;

/// Who may publish over HTTP.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Publishers {
    /// No client.
    #[default]
    Nobody,
    /// Programs on this machine, and pages that this server serves to browsers on it.
    Local,
    /// Every client that reaches the server, except pages of other sites.
    Anyone,
    /// Clients that send one of these keys as `Authorization: Bearer KEY`.
    Keys(KeyRing),
    /// Clients whose token or session grants it. With the other rules but [`Nobody`](Self::Nobody) these may
    /// publish, too, where an [`Authorization`](super::Authorization) is set.
    Granted,
}

/// For people, for example `no client` or `programs on this machine and this server's own page`.
impl fmt::Display for Publishers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nobody => f.write_str("no client"),
            Self::Local => f.write_str("programs on this machine and this server's own page"),
            Self::Anyone => f.write_str("every client that reaches this address"),
            Self::Keys(keys) if keys.len() == 1 => f.write_str("clients with the publish key"),
            Self::Keys(keys) => write!(f, "clients with one of {} publish keys", keys.len()),
            Self::Granted => f.write_str("clients whose token or session grants it"),
        }
    }
}

impl fmt::Debug for Publishers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "Nobody",
            Self::Local => "Local",
            Self::Anyone => "Anyone",
            Self::Keys(_) => "Keys",
            Self::Granted => "Granted",
        })
    }
}

/// The rules of access of one server. By default no client may publish, and only pages of this server may read.
///
/// ```
/// use sse_broadcaster_http::{Access, KeyRing, Publishers};
///
/// let keys: KeyRing = ["s3cret"].into_iter().collect();
/// let access = Access::default()
///     .publishers(Publishers::Keys(keys))
///     .read_origins(["https://app.example.com"])
///     .max_per_address(Some(100));
/// assert!(!access.get_publishes);
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Access {
    /// Who may publish.
    pub publishers: Publishers,
    /// Origins whose pages may publish, in lower case, without a trailing slash.
    pub publish_origins: Vec<String>,
    /// Origins whose pages may read, in the same form; `*` for all.
    pub read_origins: Vec<String>,
    /// Names under which the server may be reached, without ports, or `*` for any. Names of this machine and
    /// literal addresses are always admitted. If empty, any name is, except on a listener on a loopback address.
    pub hosts: Vec<String>,
    /// Whether `GET /events/<msg>` publishes.
    pub get_publishes: bool,
    /// How many streams may be open from one IPv4 address or one IPv6 network of 64 bits; `None` for no limit.
    pub max_per_address: Option<usize>,
}

impl Access {
    pub(super) fn listed_origins(&self) -> impl Iterator<Item = &String> {
        self.publish_origins.iter().chain(&self.read_origins)
    }

    /// Sets who may publish.
    #[must_use]
    pub fn publishers(self, publishers: Publishers) -> Self {
        Self { publishers, ..self }
    }

    /// Sets the origins whose pages may publish.
    #[must_use]
    pub fn publish_origins<O: Into<String>>(self, origins: impl IntoIterator<Item = O>) -> Self {
        let publish_origins = collect(origins);
        Self {
            publish_origins,
            ..self
        }
    }

    /// Sets the origins whose pages may read; `*` for all.
    #[must_use]
    pub fn read_origins<O: Into<String>>(self, origins: impl IntoIterator<Item = O>) -> Self {
        let read_origins = collect(origins);
        Self {
            read_origins,
            ..self
        }
    }

    /// Sets the names under which the server may be reached; `*` for any.
    #[must_use]
    pub fn hosts<N: Into<String>>(self, names: impl IntoIterator<Item = N>) -> Self {
        let hosts = collect(names);
        Self { hosts, ..self }
    }

    /// Sets whether `GET /events/<msg>` publishes.
    #[must_use]
    pub fn get_publishes(self, get_publishes: bool) -> Self {
        Self {
            get_publishes,
            ..self
        }
    }

    /// Sets how many streams may be open from one address.
    #[must_use]
    pub fn max_per_address(self, max_per_address: Option<usize>) -> Self {
        Self {
            max_per_address,
            ..self
        }
    }
}

/// How the page of a request is admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdmittedOrigin {
    /// As a page of any origin.
    Any,
    /// By an origin that is listed.
    Listed,
}

fn collect<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Vec<String> {
    texts.into_iter().map(Into::into).collect()
}
