//! The header in which proxies name the client, read from its end: each proxy appends what it knows to what it received,
//! so that only the end is certain. What a client wrote stands before it, and may be anything: it must not change how
//! the end is read.

use std::net::{IpAddr, Ipv6Addr};

use super::ForwardedHeader;
use crate::RequestHead;

/// What one proxy says about the request that it received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hop {
    /// Who connected to it; `None` if it does not say.
    pub(super) client: Option<IpAddr>,
    pub(super) scheme: Option<&'static str>,
}

/// What the proxies say, the nearest first; `None` for one whose text is malformed.
pub(super) fn hops<'a>(
    header: ForwardedHeader,
    request: &'a impl RequestHead,
) -> Box<dyn Iterator<Item = Option<Hop>> + 'a> {
    match header {
        ForwardedHeader::Forwarded => {
            let elements = from_the_end(request, "forwarded").flat_map(Elements);
            Box::new(elements.map(hop))
        }
        ForwardedHeader::XForwardedFor => {
            let from_the_end = |name| from_the_end(request, name).flat_map(items);
            let clients: Vec<_> = from_the_end("x-forwarded-for").collect();
            let schemes: Vec<_> = from_the_end("x-forwarded-proto").collect();
            // A proxy may write the scheme alone.
            let places = 0..clients.len().max(schemes.len().min(1));
            Box::new(places.map(move |place| {
                // One that has the scheme from the proxy before often writes that alone.
                let scheme = schemes.get(place).or(schemes.last());
                Some(Hop {
                    client: clients.get(place).and_then(|client| node(client)),
                    scheme: scheme.and_then(|scheme| scheme_of(scheme)),
                })
            }))
        }
    }
}

/// The lines of a header, the last first.
fn from_the_end<'a>(
    request: &'a impl RequestHead,
    name: &'static str,
) -> impl Iterator<Item = &'a [u8]> {
    let lines: Vec<_> = request.header_values(name).collect();
    lines.into_iter().rev()
}

/// The items of a line, the last first. Lists may have empty items, which say nothing (RFC 9110, section 5.6.1).
fn items(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let items = line.rsplit(|byte| *byte == b',').map(<[u8]>::trim_ascii);
    items.filter(|item| !item.is_empty())
}

/// The elements of a line of `Forwarded`, the last first. Commas in quoted strings separate nothing.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.0.is_empty() {
            let (rest, element) = match begin_of_last(self.0) {
                0 => (&[][..], self.0),
                begin => (&self.0[..begin - 1], &self.0[begin..]),
            };
            self.0 = rest;
            let element = element.trim_ascii();
            if !element.is_empty() {
                return Some(element);
            }
        }
        None
    }
}

/// Where the last element begins. With a quote that has no partner it is all that is left, and cannot be read.
fn begin_of_last(line: &[u8]) -> usize {
    let mut end = line.len();
    while let Some(last) = end.checked_sub(1) {
        match line[last] {
            b',' => return end,
            b'"' => match opening_quote(&line[..last]) {
                Some(opening) => end = opening,
                None => return 0,
            },
            _ => end = last,
        }
    }
    0
}

/// Where the quoted string begins whose closing quote follows these bytes.
fn opening_quote(before: &[u8]) -> Option<usize> {
    let mut end = before.len();
    loop {
        let quote = before[..end].iter().rposition(|byte| *byte == b'"')?;
        let backslashes = before[..quote].iter().rev();
        let backslashes = backslashes.take_while(|byte| **byte == b'\\').count();
        if backslashes % 2 == 0 {
            return Some(quote);
        }
        end = quote;
    }
}

/// `None` if the element is malformed.
fn hop(element: &[u8]) -> Option<Hop> {
    let (mut client, mut scheme) = (None, None);
    let mut rest = without_empty_pairs(element);
    while !rest.is_empty() {
        let (name, value, after) = pair(rest)?;
        if name.eq_ignore_ascii_case(b"for") {
            if client.replace(value).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case(b"proto") && scheme.replace(value).is_some() {
            return None;
        }
        rest = without_empty_pairs(after);
    }
    Some(Hop {
        client: client.and_then(|client| node(&client)),
        scheme: scheme.and_then(|scheme| scheme_of(&scheme)),
    })
}

/// A pair of an element may be left out (RFC 7239, section 4).
fn without_empty_pairs(text: &[u8]) -> &[u8] {
    let is_nothing = |byte: &u8| byte.is_ascii_whitespace() || *byte == b';';
    let begin = text.iter().position(|byte| !is_nothing(byte));
    &text[begin.unwrap_or(text.len())..]
}

/// The first `name=value` of an element, and what follows its semicolon.
fn pair(text: &[u8]) -> Option<(&[u8], Vec<u8>, &[u8])> {
    let equals = text.iter().position(|byte| *byte == b'=')?;
    let name = text[..equals].trim_ascii();
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    if name.is_empty() || !name.iter().all(is_token) {
        return None;
    }
    let (value, rest) = match &text[equals + 1..] {
        [b'"', quoted @ ..] => unquoted(quoted)?,
        bare => {
            let end = bare.iter().position(|byte| *byte == b';');
            let (value, rest) = bare.split_at(end.unwrap_or(bare.len()));
            let value = value.trim_ascii();
            // Brackets and colons belong into quotes, but not every proxy writes these.
            let is_bare = |byte: &u8| is_token(byte) || b"[]:".contains(byte);
            if value.is_empty() || !value.iter().all(is_bare) {
                return None;
            }
            (value.to_vec(), rest)
        }
    };
    match rest.trim_ascii() {
        [] => Some((name, value, &[])),
        [b';', after @ ..] => Some((name, value, after)),
        _ => None,
    }
}

/// The text of a quoted string whose opening quote was before, and what follows it.
fn unquoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut bytes = text.iter().enumerate();
    while let Some((place, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((value, &text[place + 1..])),
            b'\\' => value.push(*bytes.next()?.1),
            byte => value.push(*byte),
        }
    }
    None
}

/// The address of a node, with or without a port. `None` for `unknown`, for a name that hides an address (`_x`), and for
/// anything else.
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let address = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, port) = bracketed.split_once(']')?;
            let is_port = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
            IpAddr::V6(v6(address).filter(|_| is_port)?)
        }
        None => match text.split_once(':') {
            Some((address, port)) if is_port(port) && !address.is_empty() => {
                IpAddr::V4(address.parse().ok()?)
            }
            Some(_) => IpAddr::V6(v6(text)?),
            None => IpAddr::V4(text.parse().ok()?),
        },
    };
    let address = address.to_canonical();
    (!address.is_unspecified()).then_some(address)
}

/// An address of IPv6, with or without the zone of an address that is local to a link.
fn v6(text: &str) -> Option<Ipv6Addr> {
    let address = match text.split_once('%') {
        Some((address, zone)) => {
            let is_zone = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
            let is_valid = !zone.is_empty() && zone.bytes().all(is_zone);
            address.parse().ok().filter(|_| is_valid)
        }
        None => text.parse().ok(),
    };
    address.filter(|address: &Ipv6Addr| !text.contains('%') || address.is_unicast_link_local())
}

/// A port, or a name that hides one (RFC 7239, section 6.3).
fn is_port(text: &str) -> bool {
    let is_hidden = text.strip_prefix('_').is_some_and(|name| {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        !name.is_empty() && name.bytes().all(allowed)
    });
    is_hidden || text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

fn scheme_of(text: &[u8]) -> Option<&'static str> {
    let schemes = ["http", "https"].into_iter();
    let mut same = schemes.filter(|scheme| text.eq_ignore_ascii_case(scheme.as_bytes()));
    same.next()
}
