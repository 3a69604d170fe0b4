//! A picture for a name: its initials on colours that are its own.

use askama::Template;

#[derive(Template)]
#[template(path = "avatar.svg")]
struct Avatar {
    initials: String,
    hue: u64,
    second_hue: u64,
    /// Where the spot of light is, in hundredths.
    x: u64,
    y: u64,
}

pub fn avatar(name: &str) -> askama::Result<String> {
    let hash = hash(name);
    let hue = hash % 360;
    Avatar {
        initials: initials(name),
        hue,
        second_hue: (hue + 40 + (hash >> 16) % 40) % 360,
        x: (hash >> 32) % 100,
        y: (hash >> 48) % 100,
    }
    .render()
}

/// The first letters of the first and the last word.
fn initials(name: &str) -> String {
    let mut words = name.split_whitespace();
    let ends = [words.next(), words.next_back()];
    let letters = ends
        .into_iter()
        .flatten()
        .filter_map(|word| word.chars().next());
    letters.flat_map(char::to_uppercase).collect()
}

/// FNV-1a: names that differ in a letter differ in colour, on every machine alike.
fn hash(name: &str) -> u64 {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash ^ (hash >> 29)
}
