//! Keys of publishers and operators: from flags, the environment or a file.

use std::{
    fs::File,
    io::{self, Read as _},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
};

use crate::{BadSetting, Secret};

/// A shorter key could be guessed by sending requests: 16 hexadecimal digits are 64 bits.
const MIN_KEY_BYTES: usize = 16;
/// Each publish is compared with all keys.
const MAX_KEYS: usize = 1_000;
/// Longest key file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;
const BYTE_ORDER_MARK: char = '\u{feff}';

/// What a key file holds: a key a line, without blank lines and those that begin with `#`.
#[derive(Debug)]
pub struct KeyFile {
    /// Each with the number of its line.
    keys: Vec<(usize, Secret)>,
    mode: u32,
    flag: &'static str,
    path: PathBuf,
}

impl KeyFile {
    /// Reads the key file of this setting, of at most 1 MiB and 1000 keys.
    ///
    /// # Errors
    /// When it cannot be read, is too long, or holds no key.
    pub fn read(flag: &'static str, path: &Path) -> Result<Self, BadSetting> {
        let bad = |why: String| BadSetting(format!("{flag} {}: {why}", path.display()));
        let read = read_bounded(path, MAX_FILE_BYTES);
        let (text, mode) = read.map_err(|error| bad(error.to_string()))?;
        if text.len() as u64 > MAX_FILE_BYTES {
            return Err(bad(format!("it is longer than {MAX_FILE_BYTES} bytes")));
        }
        let keys = keys_of(&text);
        if keys.is_empty() {
            return Err(bad("it holds no key; write one a line".to_owned()));
        }
        if keys.len() > MAX_KEYS {
            return Err(bad(format!("it holds more than {MAX_KEYS} keys")));
        }
        Ok(Self {
            keys,
            mode,
            flag,
            path: path.to_owned(),
        })
    }

    /// The keys of a server.
    ///
    /// # Errors
    /// When a key is too short, or cannot be sent in a header.
    pub fn checked(self) -> Result<Vec<Secret>, BadSetting> {
        for (line, key) in &self.keys {
            check(key).map_err(|why| {
                let (flag, path) = (self.flag, self.path.display());
                BadSetting(format!("{flag} {path}, line {line}: {why}"))
            })?;
        }
        Ok(self.keys.into_iter().map(|(_, key)| key).collect())
    }

    /// The key of a client.
    #[must_use]
    pub fn first(self) -> Option<Secret> {
        self.keys.into_iter().next().map(|(_, key)| key)
    }

    /// A warning where others than its owner can read the file.
    #[must_use]
    pub fn exposure(&self) -> Option<String> {
        exposure(self.flag, &self.path, self.mode)
    }
}

/// The text of a file and its mode. Of a file that is longer, `max_bytes` and one more are read.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub fn read_bounded(path: &Path, max_bytes: u64) -> io::Result<(String, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.mode();
    let mut text = String::new();
    file.take(max_bytes + 1).read_to_string(&mut text)?;
    Ok((text, mode))
}

/// A warning where others than its owner can read the file of this setting, which has this mode.
#[must_use]
pub fn exposure(flag: &str, path: &Path, mode: u32) -> Option<String> {
    let who = match (mode & 0o004, mode & 0o040) {
        (0, 0) => return None,
        (0, _) => "the group of the file",
        _ => "every user of this machine",
    };
    let path = path.display();
    Some(format!(
        "{flag} {path} can be read by {who} (mode {:04o}): chmod 600 {path}",
        mode & 0o7777
    ))
}

pub(crate) fn keys_of(text: &str) -> Vec<(usize, Secret)> {
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    let lines = text.lines().map(str::trim).enumerate();
    let keys = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    keys.map(|(index, line)| (index + 1, Secret::from(line)))
        .collect()
}

/// Checks a key before a server accepts it.
///
/// # Errors
/// When it is too short, or holds control characters, which no header can carry.
pub fn check(key: &Secret) -> Result<(), String> {
    let bytes = key.expose().len();
    if bytes < MIN_KEY_BYTES {
        return Err(format!(
            "the key has {bytes} characters; it needs at least {MIN_KEY_BYTES}. This makes one: \
             openssl rand -hex 32"
        ));
    }
    if key.expose().chars().any(char::is_control) {
        return Err("the key holds control characters, which no header can carry".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, String)> {
        let keys = keys_of(text).into_iter();
        keys.map(|(line, key)| (line, key.expose().to_owned()))
            .collect()
    }

    #[test]
    fn a_key_file_has_comments_and_blank_lines_and_a_comma_belongs_to_its_key() {
        assert_eq!(
            read("\u{feff}# old\n\none,two \r\n  # new\n\t\n three\n"),
            [(3, "one,two".to_owned()), (6, "three".to_owned())]
        );
        assert!(read("# key\n \n").is_empty());
    }

    #[test]
    fn a_short_key_is_rejected_without_being_repeated() {
        let key = |text: &str| Secret::from(text);
        assert_eq!(check(&key("secret-of-fiftee")), Ok(()));
        let why = check(&key("fifteen-letters")).unwrap_err();
        assert!(why.contains("15") && !why.contains("fifteen"), "{why}");
        assert!(check(&key("control\u{7}characters")).is_err());
    }
}
