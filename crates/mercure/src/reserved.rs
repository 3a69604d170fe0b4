//! Topics below the hub's own path, to which only the hub publishes.

use percent_encoding::percent_decode_str;
use url::Url;

use crate::{Version, paths::HUB_PATH};

/// Whether only the hub publishes to this topic. Read as a URL relative to the hub's, its path must not be the hub's,
/// nor below it; for clients of version 0.x no topic has the hub's path in any place.
pub(crate) fn is_reserved(topic: &str, hub: &Url, version: Version) -> bool {
    let contains = version == Version::Zero && topic.contains(HUB_PATH);
    contains || hub.join(topic).is_ok_and(|url| is_below(&url, hub))
}

fn is_below(url: &Url, hub: &Url) -> bool {
    let path = unreserved_decoded(url.path());
    [hub.path(), HUB_PATH].iter().any(|hub| {
        let rest = path.strip_prefix(hub);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    })
}

/// A path with those characters decoded that mean the same encoded (RFC 3986, section 2.3).
fn unreserved_decoded(path: &str) -> String {
    let mut parts = path.split('%');
    let mut decoded = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((digits, rest)) = part.split_at_checked(2) else {
            decoded.push('%');
            decoded.push_str(part);
            continue;
        };
        let encoded = format!("%{digits}");
        let mut bytes = percent_decode_str(&encoded);
        let is_unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match (bytes.next(), bytes.next()) {
            (Some(byte), None) if is_unreserved(byte) => decoded.push(char::from(byte)),
            _ => decoded.push_str(&encoded),
        }
        decoded.push_str(rest);
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hubs_own_path_is_reserved_however_it_is_written() {
        let hub = Url::parse("https://example.com/.well-known/mercure").unwrap();
        let is_reserved = |topic: &str, version| is_reserved(topic, &hub, version);
        for topic in [
            "/.well-known/mercure",
            "/.well-known/mercure/subscriptions/a/b",
            "https://example.com/.well-known/mercure",
            "https://example.com/a/../.well-known/mercure/x",
            "/.well-known/./mercure",
            "/%2ewell-known/mercur%65",
            "/.well%2Dknown/mercure?x",
            "mercure",
        ] {
            assert!(is_reserved(topic, Version::One), "{topic}");
            assert!(is_reserved(topic, Version::Zero), "{topic}");
        }
        for topic in [
            "https://example.com/books/1",
            "/.well-known/mercure2",
            "/.well-known",
            "a",
            "%",
            "/a%2",
            "/é%zz",
        ] {
            assert!(!is_reserved(topic, Version::One), "{topic}");
        }
        assert!(is_reserved("urn:x/.well-known/mercure", Version::Zero));
        assert!(!is_reserved("urn:x/.well-known/mercure", Version::One));
    }
}
