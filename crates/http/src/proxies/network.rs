//! Addresses of proxies, as the settings have them.

use std::{fmt, net::IpAddr, str::FromStr};

use sse_broadcaster::internal::Shown;

/// An address, or all addresses with the same beginning. Always canonical: never IPv4 mapped into IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    address: IpAddr,
    prefix: u32,
}

/// A text that names no proxy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidProxy(String);

impl Network {
    /// Whether this canonical address is one of the network's.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros() >= self.prefix
            }
            _ => false,
        }
    }

    /// The same network, with zeros behind its prefix.
    fn first(&self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - self.prefix).unwrap_or(0);
                IpAddr::V4((address.to_bits() & mask).into())
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - self.prefix).unwrap_or(0);
                IpAddr::V6((address.to_bits() & mask).into())
            }
        };
        Self { address, ..*self }
    }
}

impl FromStr for Network {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let example = || {
            InvalidProxy(format!(
                "{} is no address of a proxy; give an address, a network such as 10.0.0.0/8 or 2001:db8::/32, or unix",
                Shown(text)
            ))
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| example())?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(bits), |prefix| {
            let digits = prefix.bytes().all(|byte| byte.is_ascii_digit());
            let prefix: u32 = prefix.parse().map_err(|_| example())?;
            let is_valid = digits && prefix <= bits;
            is_valid.then_some(prefix).ok_or_else(example)
        })?;
        let canonical = address.to_canonical();
        let prefix = if canonical.is_ipv4() && address.is_ipv6() {
            prefix.checked_sub(96).ok_or_else(example)?
        } else {
            prefix
        };
        let network = Self {
            address: canonical,
            prefix,
        };
        let first = network.first();
        if first != network {
            return Err(InvalidProxy(format!(
                "{} has bits behind its prefix; write {first}, or {} for one address",
                Shown(text),
                network.address,
            )));
        }
        Ok(network)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = if self.address.is_ipv4() { 32 } else { 128 };
        if self.prefix == bits {
            return self.address.fmt(f);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_the_addresses_with_its_prefix_and_no_other() {
        for (own, inside, outside) in [
            ("10.0.0.0/8", "10.255.255.255", "11.0.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("192.0.2.6/31", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "::2"),
            ("::/0", "2001:db8::1", "127.0.0.1"),
            ("::ffff:10.0.0.0/104", "10.1.2.3", "11.0.0.0"),
        ] {
            assert!(
                network(own).contains(inside.parse().unwrap()),
                "{own} {inside}"
            );
            assert!(
                !network(own).contains(outside.parse().unwrap()),
                "{own} {outside}"
            );
        }
    }

    #[test]
    fn what_is_no_network_is_rejected_with_what_would_be_right() {
        for text in [
            "",
            "proxy",
            "10.0.0.0/33",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0/8",
            "[::1]",
            "::1/129",
            "10.0.0.1:80",
            "::ffff:10.0.0.0/8",
            "fe80::1%eth0",
            "10.0.0.0/8/8",
        ] {
            let error = Network::from_str(text).unwrap_err().to_string();
            assert!(error.contains("10.0.0.0/8"), "{text}: {error}");
        }
        let error = Network::from_str("10.1.2.3/8").unwrap_err().to_string();
        assert!(
            error.ends_with("write 10.0.0.0/8, or 10.1.2.3 for one address"),
            "{error}"
        );
        assert!(Network::from_str("2001:db8::1/64").is_err());
    }

    #[test]
    fn a_network_is_shown_as_it_is_written() {
        for text in [
            "10.0.0.0/8",
            "192.0.2.1",
            "2001:db8::/32",
            "::1",
            "0.0.0.0/0",
        ] {
            assert_eq!(network(text).to_string(), text);
        }
        assert_eq!(network("::ffff:10.0.0.0/104").to_string(), "10.0.0.0/8");
    }
}
