//! Where programs of others are.

use std::{env, path::PathBuf};

/// The path of a program: in the search path, or in this folder of the home directory.
pub fn find(program: &str, folder: &str) -> Option<String> {
    let mut folders: Vec<PathBuf> = env::split_paths(&env::var_os("PATH")?).collect();
    folders.extend(env::home_dir().map(|home| home.join(folder)));
    let mut paths = folders.into_iter().map(|folder| folder.join(program));
    let found = paths.find(|path| path.exists())?;
    found.into_os_string().into_string().ok()
}
