//! A key that is kept beside the log, in a file of its owner alone.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
};

use crate::private;

const KEY_BYTES: usize = 16;

/// The key in the file; `new` is written if there is none.
///
/// # Errors
/// `InvalidData` if it holds something else.
pub(super) fn keep(directory: &Path, new: [u8; KEY_BYTES]) -> io::Result<[u8; KEY_BYTES]> {
    let path = file(directory);
    match private::open(&path, OpenOptions::new().read(true)) {
        Ok(file) => read(file),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            write(directory, &path, new)?;
            Ok(new)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn file(directory: &Path) -> std::path::PathBuf {
    directory.join("position-key")
}

fn read(file: File) -> io::Result<[u8; KEY_BYTES]> {
    let mut text = String::new();
    file.take(100).read_to_string(&mut text)?;
    let digits = text.trim_end();
    let is_hex =
        digits.len() == 2 * KEY_BYTES && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = u128::from_str_radix(digits, 16).ok().filter(|_| is_hex);
    let number = number.ok_or(io::ErrorKind::InvalidData)?;
    Ok(number.to_be_bytes())
}

/// Whole or not at all, whatever happens meanwhile. The lock of the directory is held.
fn write(directory: &Path, path: &Path, key: [u8; KEY_BYTES]) -> io::Result<()> {
    let new = directory.join("position-key.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private::open(&new, OpenOptions::new().write(true).create_new(true))?;
    writeln!(file, "{:032x}", u128::from_be_bytes(key))?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_first_key_stays_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        // Left by a process that was killed while it wrote.
        fs::write(directory.join("position-key.new"), "0").unwrap();
        let key = *b"0123456789abcdef";
        assert_eq!(keep(directory, key).unwrap(), key);
        assert_eq!(keep(directory, [7; 16]).unwrap(), key);
        let mode = fs::metadata(file(directory)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_key_is_an_error_and_not_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = file(directory.path());
        for text in ["", "0123", "+0000000000000000000000000000000", "x"] {
            fs::write(&path, text).unwrap();
            let error = keep(directory.path(), [7; 16]).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "{text}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
