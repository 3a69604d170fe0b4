//! A log is for its owner alone: modes of its directory and files, and no links in place of them.

use std::{
    fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions},
    io,
    os::unix::fs::{
        DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
    },
    path::Path,
};

use rustix::{fs::OFlags, io::Errno};

const DIRECTORY_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;
const OTHERS: u32 = 0o077;
const PERMISSIONS: u32 = 0o7777;

/// Creates the directory for its owner alone, and those above it as usual.
pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(DIRECTORY_MODE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        created => created,
    }
}

/// Opens a file of the directory with these options. Whoever could write to the directory once may
/// have left a link, by which another file would be opened, or a pipe, at which an open waits.
pub(super) fn open(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let opened = options
        .mode(FILE_MODE)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == Errno::LOOP.raw_os_error() => not_a_file("it is a symbolic link"),
        Some(code) if code == Errno::NXIO.raw_os_error() => not_a_file("it is no regular file"),
        _ => error,
    })?;
    if file.metadata()?.is_file() {
        Ok(file)
    } else {
        Err(not_a_file("it is no regular file"))
    }
}

fn not_a_file(what: &str) -> io::Error {
    io::Error::other(format!("{what}; remove it"))
}

/// Takes from others what they may do with a log that is there already, or warns where that belongs
/// to another user.
pub(super) fn tighten(directory: &Path) {
    let mut found = Found::default();
    // The directory itself may be a link that its operator made; nothing in it is one.
    if let Ok(metadata) = fs::metadata(directory) {
        found.tighten(directory, &metadata);
    }
    let mut directories = vec![directory.to_owned()];
    while let Some(path) = directories.pop() {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let path = entry.path();
            match fs::symlink_metadata(&path) {
                Ok(metadata) if !metadata.is_symlink() => {
                    found.tighten(&path, &metadata);
                    if metadata.is_dir() {
                        directories.push(path);
                    }
                }
                // What has gone meanwhile can be read by nobody.
                _ => {}
            }
        }
    }
    found.report(directory);
}

#[derive(Debug, Default)]
struct Found {
    /// What others could do.
    widest: u32,
    refused: Option<io::Error>,
}

impl Found {
    fn tighten(&mut self, path: &Path, metadata: &Metadata) {
        let mode = metadata.mode() & PERMISSIONS;
        if mode & OTHERS == 0 {
            return;
        }
        self.widest |= mode;
        if let Err(error) = fs::set_permissions(path, Permissions::from_mode(mode & !OTHERS)) {
            self.refused.get_or_insert(error);
        }
    }

    fn report(&self, directory: &Path) {
        let (shown, mode) = (directory.display(), self.widest);
        if let Some(why) = &self.refused {
            log::warn!(
                "--data-dir {shown}: others than its owner can use what is in it (mode {mode:04o}), \
                 and that could not be changed: {why}; run chmod -R go= {shown}"
            );
        } else if mode != 0 {
            log::warn!(
                "--data-dir {shown}: others than its owner could use what is in it (mode {mode:04o}); \
                 that has been changed"
            );
        }
    }
}
