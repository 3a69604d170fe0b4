//! Keys of publishers and operators: from flags, the environment or a file.

use std::{
    fs::{File, Metadata},
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
    access: FileAccess,
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
        let read = read_within(path, MAX_FILE_BYTES);
        let (text, access) = read.map_err(|error| bad(error.to_string()))?;
        let keys = keys_of(&text);
        if keys.is_empty() {
            return Err(bad("it holds no key; write one a line".to_owned()));
        }
        if keys.len() > MAX_KEYS {
            return Err(bad(format!("it holds more than {MAX_KEYS} keys")));
        }
        Ok(Self {
            keys,
            access,
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

    /// A warning where others than this process needs can read the file.
    #[must_use]
    pub fn exposure(&self) -> Option<String> {
        self.access.exposure(self.flag, &self.path)
    }
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileAccess {
    mode: u32,
    /// The file is another user's, and this process reads it as one of its group. Secrets that Kubernetes mounts
    /// are root's, and of the group of the pod.
    by_group: bool,
}

impl FileAccess {
    /// Who may read the file at this path.
    ///
    /// # Errors
    /// Those of the system.
    pub fn at(path: &Path) -> io::Result<Self> {
        Ok(Self::of(&path.metadata()?))
    }

    fn of(metadata: &Metadata) -> Self {
        let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
        let group = metadata.gid();
        let is_member = group == rustix::process::getegid().as_raw()
            || rustix::process::getgroups()
                .is_ok_and(|groups| groups.iter().any(|one| one.as_raw() == group));
        Self {
            mode: metadata.mode(),
            by_group: !is_own && is_member,
        }
    }

    /// A warning where others than this process needs can read the file of this setting.
    #[must_use]
    pub fn exposure(self, flag: &str, path: &Path) -> Option<String> {
        let by_others = self.mode & 0o004 != 0;
        let by_its_group = self.mode & 0o040 != 0 && !self.by_group;
        let who = match (by_others, by_its_group) {
            (false, false) => return None,
            (false, true) => "the group of the file",
            (true, _) => "every user of this machine",
        };
        let path = path.display();
        Some(format!(
            "{flag} {path} can be read by {who} (mode {:04o}): chmod {} {path}",
            self.mode & 0o7777,
            if self.by_group { "640" } else { "600" }
        ))
    }
}

/// The text of a file and who may read it. Of a file that is longer, `max_bytes` and one more are read.
///
/// # Errors
/// When it cannot be read, or is not UTF-8.
pub fn read_bounded(path: &Path, max_bytes: u64) -> io::Result<(String, FileAccess)> {
    let file = File::open(path)?;
    let access = FileAccess::of(&file.metadata()?);
    let mut text = String::new();
    file.take(max_bytes + 1).read_to_string(&mut text)?;
    Ok((text, access))
}

/// The same of a file that must not be longer.
///
/// # Errors
/// When it is longer, and as [`read_bounded`].
pub fn read_within(path: &Path, max_bytes: u64) -> io::Result<(String, FileAccess)> {
    let (text, access) = read_bounded(path, max_bytes)?;
    if text.len() as u64 > max_bytes {
        let why = format!("it is longer than {max_bytes} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    Ok((text, access))
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
    fn a_file_that_this_process_reads_by_its_group_is_exposed_to_all_others_alone() {
        let exposed_to = |mode, by_group| {
            let access = FileAccess { mode, by_group };
            let line = access.exposure("--key-file", Path::new("keys"))?;
            let (_, who) = line.split_once("can be read by ").unwrap();
            Some(who.to_owned())
        };
        let to_group = "the group of the file (mode 0640): chmod 600 keys";
        for (mode, by_group, who) in [
            (0o600, false, None),
            (0o400, true, None),
            (0o640, false, Some(to_group)),
            (0o440, true, None),
            (
                0o644,
                false,
                Some("every user of this machine (mode 0644): chmod 600 keys"),
            ),
            (
                0o644,
                true,
                Some("every user of this machine (mode 0644): chmod 640 keys"),
            ),
        ] {
            assert_eq!(
                exposed_to(0o100_000 | mode, by_group).as_deref(),
                who,
                "{mode:o} {by_group}"
            );
        }
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
