//! `application/x-www-form-urlencoded`, the encoding of queries and forms.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// A name or a value is not valid UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not valid UTF-8")]
#[non_exhaustive]
pub struct NotUtf8;

/// The decoded pairs of name and value, in order; `+` is a space. An error for each pair that is not UTF-8.
pub fn pairs(text: &[u8]) -> impl Iterator<Item = Result<(String, String), NotUtf8>> {
    raw_pairs(text).map(|(name, value)| Ok((strict(name)?, strict(value)?)))
}

/// The same, but bytes that are not UTF-8 become U+FFFD: for reads, which do not reject them.
pub fn lossy_pairs(text: &[u8]) -> impl Iterator<Item = (String, String)> {
    let lossy = |part: &[u8]| String::from_utf8_lossy(&decode(part)).into_owned();
    raw_pairs(text).map(move |(name, value)| (lossy(name), lossy(value)))
}

fn raw_pairs(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &[][..]),
        })
}

fn decode(part: &[u8]) -> Vec<u8> {
    let spaced: Cow<'_, [u8]> = if part.contains(&b'+') {
        part.iter()
            .map(|b| if *b == b'+' { b' ' } else { *b })
            .collect()
    } else {
        part.into()
    };
    percent_decode(&spaced).collect()
}

fn strict(part: &[u8]) -> Result<String, NotUtf8> {
    String::from_utf8(decode(part)).map_err(|_| NotUtf8)
}

/// The parameter among `known` that `name` is probably meant to be: `topics`, `topic[]`, `Topic` and `topci` are
/// `topic`. `None` for any other name: applications and proxies add parameters of their own.
#[must_use]
pub fn misspelt<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let plain = |name: &str| -> String {
        let name = name.split('[').next().unwrap_or(name);
        let letters = name.chars().filter(char::is_ascii_alphanumeric);
        letters.map(|letter| letter.to_ascii_lowercase()).collect()
    };
    if known.contains(&name) {
        return None;
    }
    let given = plain(name);
    known.iter().copied().find(|known| {
        let known = plain(known);
        given == known
            || given.strip_suffix('s') == Some(&known)
            || (known.len() >= MIN_MISSPELT_LETTERS
                && is_one_edit(given.as_bytes(), known.as_bytes()))
    })
}

/// Shorter names differ from common words by one letter.
const MIN_MISSPELT_LETTERS: usize = 5;

/// One letter added, left out or replaced, or two neighbours exchanged.
fn is_one_edit(a: &[u8], b: &[u8]) -> bool {
    let same = |(a, b): &(&u8, &u8)| a == b;
    let begin = a.iter().zip(b).take_while(same).count();
    let (a, b) = (&a[begin..], &b[begin..]);
    let end = a.iter().rev().zip(b.iter().rev()).take_while(same).count();
    match (&a[..a.len() - end], &b[..b.len() - end]) {
        ([_], [] | [_]) | ([], [_]) => true,
        ([a, b], [c, d]) => a == d && b == c,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_come_in_order_and_decoded() {
        let read: Vec<_> = pairs(b"a=1%2B1&b=x+y&&c&a=%C3%BC")
            .collect::<Result<_, _>>()
            .unwrap();
        let read: Vec<_> = read.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        assert_eq!(read, [("a", "1+1"), ("b", "x y"), ("c", ""), ("a", "ü")]);
    }

    #[test]
    fn bytes_that_are_not_utf_8_are_rejected_or_replaced() {
        assert!(pairs(b"a=%FF").next().unwrap().is_err());
        assert_eq!(lossy_pairs(b"a=%FF").next().unwrap().1, "\u{FFFD}");
    }

    #[test]
    fn misspelt_parameters_are_found_and_other_names_are_left_alone() {
        let known = ["topic", "since", "last", "format", "until", "last_event_id"];
        for (name, meant) in [
            ("topics", "topic"),
            ("topic[]", "topic"),
            ("topics[0]", "topic"),
            ("topic[0]", "topic"),
            ("Topic", "topic"),
            ("topci", "topic"),
            ("topc", "topic"),
            ("toppic", "topic"),
            ("topik", "topic"),
            ("Since", "since"),
            ("sinse", "since"),
            ("LAST", "last"),
            ("last[]", "last"),
            ("untill", "until"),
            ("formats", "format"),
            ("last-event-id", "last_event_id"),
            ("LAST_EVENT_ID", "last_event_id"),
            ("last_event_ids", "last_event_id"),
            ("lasteventi", "last_event_id"),
        ] {
            assert_eq!(misspelt(name, &known), Some(meant), "{name}");
        }
        for name in [
            "topic",
            "last",
            "datastar",
            "_",
            "",
            "t",
            "list",
            "fast",
            "east",
            "past",
            "token",
            "id",
            "[]",
            "access_token",
            "v",
            "user",
            "event",
            "channel",
            "tropical",
            "optics",
            "é",
        ] {
            assert_eq!(misspelt(name, &known), None, "{name}");
        }
    }
}
