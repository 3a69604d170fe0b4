//! The library between a server and its kernel (see `shim.c`), by which a test lets the disk fail or lose power.

use std::{
    fs,
    os::unix::fs::{FileExt, MetadataExt},
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const PAGE: usize = 4096;

/// Builds the library once.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("disk-shim.so");
        let building = library.with_extension(format!("{}.so", std::process::id()));
        let built = Command::new("cc")
            .args(["-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o"])
            .arg(&building)
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../tests/support/shim.c"
            ))
            .arg("-ldl")
            .status();
        assert!(built.expect("cc runs").success());
        fs::rename(&building, &library).expect("it is in place");
        library
    })
}

/// While the file `fault` exists, writing below `directory` fails with the error that it names, such as `ENOSPC`.
pub fn faulty(mut command: Command, directory: &Path, fault: &Path) -> Command {
    command
        .env("LD_PRELOAD", library())
        .env("SHIM_DIR", directory)
        .env("SHIM_FAULT", fault);
    command
}

/// Keeps a copy of all synced pages below `directory` in `shadow`.
pub fn shadowed(mut command: Command, directory: &Path, shadow: &Path) -> Command {
    fs::create_dir_all(shadow).expect("a directory");
    command
        .env("LD_PRELOAD", library())
        .env("SHIM_DIR", directory)
        .env("SHIM_SHADOW", shadow);
    command
}

/// Forbids a system call, as the seccomp profile of a container does.
pub fn forbidding(mut command: Command, system_call: u32) -> Command {
    command
        .env("LD_PRELOAD", library())
        .env("SHIM_SYSCALL", system_call.to_string());
    command
}

/// Lets the machine seem to have been rebooted since the last start.
pub fn rebooted(mut command: Command, boot_id: &Path) -> Command {
    let half = || fastrand::u64(..);
    fs::write(boot_id, format!("{:016x}{:016x}\n", half(), half())).expect("it is written");
    command
        .env("LD_PRELOAD", library())
        .env("SHIM_BOOT", boot_id);
    command
}

/// Sets the clock of the command ahead by this number of seconds.
pub fn ahead(mut command: Command, seconds: i64) -> Command {
    command
        .env("LD_PRELOAD", library())
        .env("SHIM_CLOCK", seconds.to_string());
    command
}

/// Sets the clock of the command ahead by the number of seconds in a file.
pub fn with_clock(mut command: Command, file: &Path) -> Command {
    command.env("LD_PRELOAD", library()).env("SHIM_CLOCK", file);
    command
}

/// Which of the pages that were not synced have reached the disk.
pub enum Unsynced<'a> {
    None,
    Some(&'a mut fastrand::Rng),
}

/// Writes to `to` what a power loss may leave of `from`. All directory entries are assumed to have been written.
pub fn lose_power(from: &Path, shadow: &Path, to: &Path, unsynced: &mut Unsynced<'_>) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().expect("a type").is_dir() {
            lose_power(&from, shadow, &to, unsynced);
            continue;
        }
        let inode = entry.metadata().expect("an inode").ino();
        let synced = fs::read(shadow.join(inode.to_string())).unwrap_or_default();
        write_sparse(
            &to,
            &match unsynced {
                Unsynced::None => synced,
                Unsynced::Some(rng) => mix(synced, &fs::read(from).expect("a file"), rng),
            },
        );
    }
}

/// Of the pages that differ, a random part is as it was written last.
fn mix(synced: Vec<u8>, written: &[u8], rng: &mut fastrand::Rng) -> Vec<u8> {
    let (short, long) = (
        synced.len().min(written.len()),
        synced.len().max(written.len()),
    );
    let length = match rng.u8(..3) {
        0 => short,
        1 => long,
        _ => rng.usize(short..=long),
    };
    let likely = rng.f64();
    let mut mixed = synced;
    mixed.resize(length, 0);
    for (old, new) in mixed.chunks_mut(PAGE).zip(written.chunks(PAGE)) {
        let both = old.len().min(new.len());
        if old[..both] != new[..both] && rng.f64() < likely {
            old[..both].copy_from_slice(&new[..both]);
        }
    }
    mixed
}

fn write_sparse(path: &Path, bytes: &[u8]) {
    const PIECE: usize = 1 << 16;
    let file = fs::File::create(path).expect("a file");
    file.set_len(bytes.len() as u64).expect("room");
    for (number, piece) in bytes.chunks(PIECE).enumerate() {
        if piece.iter().any(|byte| *byte != 0) {
            file.write_all_at(piece, (number * PIECE) as u64)
                .expect("room");
        }
    }
}
