//! The names under which a server is reached, parsed strictly: text that only resembles a name of this machine must
//! not pass for one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The port that a browser leaves out of `http` URLs, and so out of `Host`.
pub(crate) const HTTP_PORT: u16 = 80;

/// A host and its port, as `Host` and `Origin` have them (RFC 9110, section 7.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    name: Name<'a>,
    port: Option<u16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Name<'a> {
    Address(IpAddr),
    /// Without the final dot.
    Registered(&'a str),
}

impl<'a> Authority<'a> {
    /// `None` for anything else: a user, two ports, text after the bracket.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            (Name::Address(address.into()), port)
        } else {
            let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (Name::parse(name)?, port)
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => None,
            Some("") => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            _ => return None,
        };
        Some(Self { name, port })
    }

    /// Whether this is the name, whatever the port.
    pub(crate) fn has_name(&self, name: &str) -> bool {
        Authority::parse(name).is_some_and(|other| self.is_same_name(&other))
    }

    /// A literal address, which no name server can point elsewhere.
    pub(crate) fn is_address(&self) -> bool {
        matches!(self.name, Name::Address(_))
    }

    /// A name or an address that leads to this machine and cannot be made to lead elsewhere.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.name {
            Name::Address(address) => address.to_canonical().is_loopback(),
            Name::Registered(name) => {
                let name = name.to_ascii_lowercase();
                name == "localhost" || name.ends_with(".localhost")
            }
        }
    }

    pub(crate) fn is_same_name(&self, other: &Authority<'_>) -> bool {
        match (self.name, other.name) {
            (Name::Registered(a), Name::Registered(b)) => a.eq_ignore_ascii_case(b),
            (a, b) => a == b,
        }
    }

    pub(crate) fn port_or(&self, default_port: u16) -> u16 {
        self.port.unwrap_or(default_port)
    }

    /// Whether host and port are the same; `default_port` stands for a port that is left out.
    fn is_same(&self, other: &Self, default_port: u16) -> bool {
        self.is_same_name(other) && self.port_or(default_port) == other.port_or(default_port)
    }
}

impl<'a> Name<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let bare = text.strip_suffix('.').unwrap_or(text);
        let is_label = |label: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte);
            !label.is_empty() && label.bytes().all(allowed)
        };
        if !bare.split('.').all(is_label) {
            return None;
        }
        Some(match bare.parse::<Ipv4Addr>() {
            Ok(address) => Self::Address(address.into()),
            Err(_) => Self::Registered(bare),
        })
    }
}

/// An origin of pages: a scheme and an authority.
pub(crate) fn parse_origin(origin: &str) -> Option<(&str, Authority<'_>)> {
    let (scheme, authority) = origin.split_once("://")?;
    Some((scheme, Authority::parse(authority)?))
}

/// The host and port of `Origin` are those of `Host`, with the scheme's default port filled in. Where clients reach the
/// server by `https`, a page of `http` is of another origin (RFC 6454, section 5); where the server itself has `http`, a
/// proxy before it may encrypt.
pub(crate) fn is_same_origin(origin: &str, host: Option<&str>, own_scheme: &str) -> bool {
    let own = host.and_then(Authority::parse);
    let Some(((scheme, origin), own)) = parse_origin(origin).zip(own) else {
        return false;
    };
    let is_encrypted = scheme.eq_ignore_ascii_case("https");
    let default_port = if is_encrypted { 443 } else { HTTP_PORT };
    (is_encrypted || own_scheme != "https") && origin.is_same(&own, default_port)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_loopback(text: &str) -> bool {
        Authority::parse(text).is_some_and(|host| host.is_loopback())
    }

    #[test]
    fn names_and_addresses_of_this_machine_are_loopback() {
        for host in [
            "localhost",
            "localhost:8000",
            "LocalHost.:80",
            "app.localhost",
            "127.0.0.1",
            "127.9.9.9:65535",
            "127.0.0.1.",
            "[::1]",
            "[::1]:8000",
            "[0:0:0:0:0:0:0:1]:8000",
            "[::ffff:127.0.0.1]:8000",
            "localhost:",
        ] {
            assert!(is_loopback(host), "{host}");
        }
    }

    #[test]
    fn what_only_resembles_a_loopback_name_is_none() {
        for host in [
            "",
            ":8000",
            ".",
            "localhost..",
            ".localhost",
            "a..localhost",
            "localhost:abc",
            "localhost:80:80",
            "localhost:80@evil.com",
            "localhost:65536",
            "localhost:+80",
            "localhost: 80",
            "localhost:8０",
            "user@localhost",
            "user:secret@localhost",
            "localhost@evil.com",
            "localhost/evil.com",
            "localhost#.evil.com",
            "localhost?.evil.com",
            "localhost\\.evil.com",
            "localhost,evil.com",
            "localhost evil.com",
            "localhost%2eevil.com",
            "localhost\0",
            "localhost\t",
            "http://localhost",
            "localhost.evil.com",
            "evillocalhost",
            "localhosts",
            "127.0.0.1.evil.com",
            "127.0.0.1@evil.com",
            "127.0.0.256",
            "127.1",
            "0177.0.0.1",
            "0x7f.0.0.1",
            "2130706433",
            "127.0.0.1:80.evil.com",
            "[::1].evil.com",
            "[::1]evil.com:80",
            "[::1]@evil.com",
            "[::1]]",
            "[[::1]]",
            "[::1",
            "::1",
            "[::1%25lo]",
            "[127.0.0.1]",
            "[localhost]",
            "[::1]:abc",
            "[::1]:80:80",
            "0.0.0.0",
            "[::]",
            "ｌocalhost",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_the_host_whatever_stands_for_the_default_port() {
        for (origin, host) in [
            ("http://localhost:8000", "localhost:8000"),
            ("http://localhost", "LOCALHOST:80"),
            ("https://a.example:443", "a.example"),
            ("http://[::1]:8000", "[0::1]:8000"),
        ] {
            assert!(
                is_same_origin(origin, Some(host), "http"),
                "{origin} {host}"
            );
            let is_encrypted = origin.starts_with("https:");
            let is_same = is_same_origin(origin, Some(host), "https");
            assert_eq!(is_same, is_encrypted, "{origin} {host}");
        }
        for (origin, host) in [
            ("null", "null"),
            ("http://localhost:8000", "localhost"),
            ("https://localhost", "localhost:80"),
            ("http://a.example", "b.example"),
            ("http://", ""),
            ("http://localhost:80@evil.com", "localhost:80@evil.com"),
            ("http://a/b", "a/b"),
        ] {
            for scheme in ["http", "https"] {
                let is_same = is_same_origin(origin, Some(host), scheme);
                assert!(!is_same, "{origin} {host} {scheme}");
            }
        }
        assert!(!is_same_origin("http://localhost", None, "http"));
    }

    #[test]
    fn a_name_is_compared_without_case_port_and_final_dot() {
        let host = Authority::parse("Events.Example.com.:8000").unwrap();
        assert!(host.has_name("events.example.com") && host.has_name("EVENTS.example.com."));
        assert!(!host.has_name("example.com") && !host.is_address());
        assert!(Authority::parse("[::1]").unwrap().has_name("[0::1]"));
    }
}
