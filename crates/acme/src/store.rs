//! The directory of the account, the certificate and its key.
//!
//! ```text
//! DIRECTORY/AUTHORITY/account.json      the account, with its key
//! DIRECTORY/AUTHORITY/certificate.pem   the key of the certificate, the certificate, and those of its authorities
//! DIRECTORY/AUTHORITY/lock              locked during an order
//! ```
//! Another directory URL is another authority, so that a certificate for tries is never served as a real one. Key and
//! certificate are one file, which is replaced by renaming: there is no moment at which they do not match.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{self, ErrorKind, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use url::Url;

/// Most bytes of the file of an account.
const MAX_ACCOUNT_BYTES: u64 = 64 << 10;
/// Longest name of the directory of an authority.
const MAX_NAME_BYTES: usize = 200;

/// The directory of one authority.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
}

/// Nobody else orders while this is held.
#[derive(Debug)]
pub struct OrderLock(#[allow(dead_code, reason = "unlocked when it is dropped")] File);

impl Store {
    /// Below this directory, for the authority of this URL. What is missing is created, for its owner alone.
    ///
    /// # Errors
    /// Those of the system, if it cannot be created or written.
    pub fn open(root: &Path, authority: &Url) -> io::Result<Self> {
        create(root)?;
        let directory = root.join(directory_name(authority));
        create(&directory)?;
        // Others have no business with keys, whatever a restored backup says.
        fs::set_permissions(&directory, Permissions::from_mode(0o700))?;
        let store = Self { directory };
        private(&store.path("lock"), OpenOptions::new().create(true))?;
        Ok(store)
    }

    /// The file of the certificate and its key.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.path("certificate.pem")
    }

    /// Replaces the certificate and its key.
    ///
    /// # Errors
    /// Those of the system; then the old one is still there.
    pub fn write_certificate(&self, pem: &str) -> io::Result<()> {
        self.replace(&self.certificate(), pem.as_bytes())
    }

    /// Locks the directory, unless another process is ordering.
    ///
    /// # Errors
    /// Those of the system.
    pub fn lock(&self) -> io::Result<Option<OrderLock>> {
        let file = private(&self.path("lock"), OpenOptions::new().create(true))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(OrderLock(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    pub(crate) fn account(&self) -> PathBuf {
        self.path("account.json")
    }

    pub(crate) fn read_account(&self) -> io::Result<Option<Vec<u8>>> {
        let mut text = Vec::new();
        match File::open(self.account()) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?.take(MAX_ACCOUNT_BYTES).read_to_end(&mut text)?,
        };
        Ok(Some(text))
    }

    pub(crate) fn write_account(&self, json: &[u8]) -> io::Result<()> {
        self.replace(&self.account(), json)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The file has either the old or the new bytes, whenever the process or the machine stops.
    fn replace(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        // One that was left behind may be a link.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = private(&new, OpenOptions::new().create_new(true))?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        File::open(&self.directory)?.sync_all()
    }
}

/// Opens a file that its owner alone may read.
fn private(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    options.read(true).write(true).mode(0o600).open(path)
}

fn create(directory: &Path) -> io::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

/// The host, the port and the path of a URL, for example `acme-v02.api.letsencrypt.org-directory`.
fn directory_name(authority: &Url) -> String {
    let host = authority.host_str().unwrap_or_default();
    let port = authority
        .port()
        .map_or_else(String::new, |port| format!("-{port}"));
    let name = format!("{host}{port}{}", authority.path());
    let kept = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let name: String = name
        .chars()
        .map(|c| if kept(c) { c } else { '-' })
        .take(MAX_NAME_BYTES)
        .collect();
    name.trim_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn files_and_directories_are_for_their_owner_alone() {
        let temporary = tempfile::tempdir().unwrap();
        let root = temporary.path().join("a/acme");
        let store = Store::open(&root, &url("https://a.example/directory")).unwrap();
        store.write_account(b"{}").unwrap();
        store.write_certificate("key").unwrap();
        let directory = root.join("a.example-directory");
        assert_eq!([&root, &directory].map(|path| mode(path)), [0o700; 2]);
        for name in ["account.json", "certificate.pem", "lock"] {
            assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
        }
        fs::set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
        Store::open(&root, &url("https://a.example/directory")).unwrap();
        assert_eq!(mode(&directory), 0o700);
    }

    #[test]
    fn each_authority_has_a_directory_of_its_own_below_the_given_one() {
        for (text, expected) in [
            (
                "https://acme-v02.api.letsencrypt.org/directory",
                "acme-v02.api.letsencrypt.org-directory",
            ),
            ("https://localhost:14000/dir", "localhost-14000-dir"),
            ("https://[::1]/../../x?y", "::1--x"),
            ("https://a.example/%2e%2e/%2f", "a.example--2f"),
        ] {
            let name = directory_name(&url(text));
            assert!(!name.contains(['/', ':', '%']), "{name}");
            assert!(expected.contains(':') || name == expected, "{name}");
        }
        assert!(directory_name(&url(&format!("https://a/{}", "x".repeat(999)))).len() <= 200);
    }

    #[test]
    fn a_file_that_was_left_behind_or_a_link_in_its_place_does_no_harm() {
        let temporary = tempfile::tempdir().unwrap();
        let store = Store::open(temporary.path(), &url("https://a.example/")).unwrap();
        let other = temporary.path().join("other");
        fs::write(&other, "other").unwrap();
        let new = store.certificate().with_extension("new");
        std::os::unix::fs::symlink(&other, &new).unwrap();
        store.write_certificate("key").unwrap();
        assert_eq!(fs::read_to_string(store.certificate()).unwrap(), "key");
        assert_eq!(fs::read_to_string(other).unwrap(), "other");
        assert!(!new.exists());
    }

    #[test]
    fn one_orders_at_a_time() {
        let temporary = tempfile::tempdir().unwrap();
        let open = || Store::open(temporary.path(), &url("https://a.example/")).unwrap();
        let (one, other) = (open(), open());
        let held = one.lock().unwrap();
        assert!(held.is_some() && other.lock().unwrap().is_none());
        drop(held);
        assert!(other.lock().unwrap().is_some());
    }
}
