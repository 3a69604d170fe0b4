//! Files of an example that are nobody else's business.

use std::{
    ffi::OsString,
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::Path,
};

const OWNER_ALONE: u32 = 0o600;

/// Makes the file of a database, where there is none, so that its owner alone reads it, and makes one
/// that is there so. What is kept beside it gets the same mode from it.
///
/// # Errors
/// The file cannot be made, or is somebody else's.
pub fn keep_database(path: &Path) -> io::Result<()> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_ALONE)
        .open(path)?;
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut file = OsString::from(path);
        file.push(suffix);
        match fs::set_permissions(file, Permissions::from_mode(OWNER_ALONE)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            changed => changed?,
        }
    }
    Ok(())
}
