//! The header of the PROXY protocol, versions 1 and 2, which a proxy sends before the first byte of a connection
//! (<https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest line of version 1, with its line break.
const MAX_V1_BYTES: usize = 107;
const V1_BEGIN: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// The signature, the command, the family, and the length of the rest.
const V2_FIXED_BYTES: usize = 16;
/// Most bytes of version 2 behind the fixed ones: addresses, and what proxies add to them (TLVs), such as certificates.
const MAX_V2_BYTES: usize = 4 << 10;

/// Longest header.
pub const MAX_PROXY_HEADER_BYTES: usize = V2_FIXED_BYTES + MAX_V2_BYTES;

/// A header of the PROXY protocol, as the first bytes of a connection have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyHeader {
    /// Whose connection it is.
    pub client: ProxiedClient,
    /// Its length in bytes. The client's own bytes follow.
    pub length: usize,
}

/// Whose connection a proxy has opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxiedClient {
    /// The proxy's own, for example to check the health of the server.
    Proxy,
    /// That of a client whose address the proxy does not know, or that has none.
    Unknown,
    /// That of the client with this address.
    Address(SocketAddr),
}

impl ProxiedClient {
    /// The address of the other end of a connection that comes from `proxy`: of a client that is not known the unspecified
    /// one, which [`TrustedProxies`](super::TrustedProxies) never trust.
    #[must_use]
    pub fn peer(self, proxy: Option<SocketAddr>) -> Option<SocketAddr> {
        match self {
            Self::Proxy => proxy,
            Self::Unknown => Some((Ipv6Addr::UNSPECIFIED, 0).into()),
            Self::Address(address) => Some(address),
        }
    }
}

/// The bytes do not begin with a header of the PROXY protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotProxied(&'static str);

impl ProxyHeader {
    /// Reads the header at the beginning of these bytes; `None` while it is not complete. TLVs are passed over, with a
    /// checksum among them.
    ///
    /// # Errors
    /// Bytes that are no header, whatever follows.
    pub fn read(bytes: &[u8]) -> Result<Option<Self>, NotProxied> {
        if begins_alike(bytes, V1_BEGIN) {
            return v1(bytes);
        }
        if begins_alike(bytes, V2_SIGNATURE) {
            return v2(bytes);
        }
        Err(NotProxied(
            "it does not begin with a header of the PROXY protocol",
        ))
    }
}

/// Whether the bytes begin so, as far as they have come.
fn begins_alike(bytes: &[u8], begin: &[u8]) -> bool {
    let both = bytes.len().min(begin.len());
    bytes[..both] == begin[..both]
}

fn v1(bytes: &[u8]) -> Result<Option<ProxyHeader>, NotProxied> {
    let seen = &bytes[..bytes.len().min(MAX_V1_BYTES)];
    let Some(end) = seen.windows(2).position(|pair| pair == b"\r\n") else {
        return match seen.len() {
            MAX_V1_BYTES => Err(NotProxied(
                "its line of the PROXY protocol is longer than 107 bytes",
            )),
            _ => Ok(None),
        };
    };
    let line = String::from_utf8_lossy(&seen[V1_BEGIN.len().min(end)..end]);
    let mut words = line.split(' ');
    let client = match words.next() {
        Some("TCP4") => v1_client::<Ipv4Addr>(words),
        Some("TCP6") => v1_client::<Ipv6Addr>(words),
        // Whatever follows it is to be ignored.
        Some("UNKNOWN") => Some(ProxiedClient::Unknown),
        _ => None,
    };
    let client = client.ok_or(NotProxied("its line of the PROXY protocol is malformed"))?;
    let length = end + 2;
    Ok(Some(ProxyHeader { client, length }))
}

/// The addresses and then the ports, each of the client first.
fn v1_client<'a, A: std::str::FromStr + Into<IpAddr>>(
    words: impl Iterator<Item = &'a str>,
) -> Option<ProxiedClient> {
    let words: Vec<_> = words.take(5).collect();
    let [client, server, client_port, server_port] = words[..] else {
        return None;
    };
    let address = |text: &str| text.parse::<A>().ok().map(Into::into);
    let client = SocketAddr::new(address(client)?, port(client_port)?);
    address(server).zip(port(server_port))?;
    Some(ProxiedClient::Address(client))
}

fn port(text: &str) -> Option<u16> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = is_number && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|_| is_plain)
}

fn v2(bytes: &[u8]) -> Result<Option<ProxyHeader>, NotProxied> {
    let rest = bytes.get(V2_SIGNATURE.len()..).unwrap_or_default();
    let is_local = match rest.first() {
        None => return Ok(None),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => {
            return Err(NotProxied(
                "its version or command of the PROXY protocol is unknown",
            ));
        }
    };
    let &[_, family, high, low, ref rest @ ..] = rest else {
        return Ok(None);
    };
    let size = usize::from(u16::from_be_bytes([high, low]));
    if size > MAX_V2_BYTES {
        return Err(NotProxied(
            "its header of the PROXY protocol is longer than 4112 bytes",
        ));
    }
    let Some(addresses) = rest.get(..size) else {
        return Ok(None);
    };
    let client = if is_local {
        ProxiedClient::Proxy
    } else {
        let malformed =
            NotProxied("the addresses of its PROXY header are malformed, or of no stream");
        v2_client(family, addresses).ok_or(malformed)?
    };
    let length = V2_FIXED_BYTES + size;
    Ok(Some(ProxyHeader { client, length }))
}

/// The client's address, the server's, and the two ports.
fn v2_client(family: u8, addresses: &[u8]) -> Option<ProxiedClient> {
    let client = |address: IpAddr, ports: &[u8; 4]| {
        let port = u16::from_be_bytes([ports[0], ports[1]]);
        ProxiedClient::Address(SocketAddr::new(address, port))
    };
    match family {
        // Neither the family nor the protocol is given.
        0x00 => Some(ProxiedClient::Unknown),
        0x11 => {
            let (from, rest) = addresses.split_first_chunk::<4>()?;
            let ports = rest.get(4..)?.first_chunk()?;
            Some(client(IpAddr::from(*from), ports))
        }
        0x21 => {
            let (from, rest) = addresses.split_first_chunk::<16>()?;
            let ports = rest.get(16..)?.first_chunk()?;
            Some(client(IpAddr::from(*from), ports))
        }
        // Two paths of Unix sockets.
        0x31 => (addresses.len() >= 2 * 108).then_some(ProxiedClient::Unknown),
        _ => None,
    }
}

#[cfg(test)]
#[path = "proxy_header_tests.rs"]
mod tests;
