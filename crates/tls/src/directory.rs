//! The pairs of a directory.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Most pairs of a directory.
pub const MAX_PAIRS: usize = 10_000;
/// Endings of files with certificates, whose keys end with `.key`.
const ENDINGS: [&str; 3] = ["crt", "pem", "cert"];
/// The names of the files in a directory of a pair, as certbot and Kubernetes have them.
const IN_DIRECTORY: [(&str, &str); 2] = [("fullchain.pem", "privkey.pem"), ("tls.crt", "tls.key")];

/// The certificates of a directory and their keys, in the order of their names: `NAME.crt` (or `.pem`, `.cert`) with
/// `NAME.key`, and in directories `NAME/fullchain.pem` with `NAME/privkey.pem`, or `NAME/tls.crt` with `NAME/tls.key`.
///
/// # Errors
/// The directory cannot be read, or has more than [`MAX_PAIRS`].
pub fn pairs_in(directory: &Path) -> io::Result<Vec<(PathBuf, PathBuf)>> {
    let mut pairs = Vec::new();
    for entry in fs::read_dir(directory)? {
        pairs.extend(pair_at(&entry?.path()));
        if pairs.len() > MAX_PAIRS {
            let why = format!("there are more than {MAX_PAIRS} certificates");
            return Err(io::Error::other(why));
        }
    }
    pairs.sort();
    Ok(pairs)
}

fn pair_at(path: &Path) -> Option<(PathBuf, PathBuf)> {
    let in_directory = IN_DIRECTORY.map(|(chain, key)| (path.join(chain), path.join(key)));
    if path.is_dir() {
        return in_directory
            .into_iter()
            .find(|(chain, key)| chain.is_file() && key.is_file());
    }
    let ending = path.extension()?;
    let key = path.with_extension("key");
    (ENDINGS.iter().any(|known| ending == *known) && key.is_file()).then(|| (path.to_owned(), key))
}
