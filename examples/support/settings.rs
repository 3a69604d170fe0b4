//! The settings that every example has, to be flattened into its own.

use std::{
    fs::DirBuilder,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

#[derive(Debug, clap::Args)]
pub struct Settings {
    /// Address to serve on; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,

    /// Directory for data that outlives the process [default: data/ and the name of the example]
    #[arg(long, value_name = "DIRECTORY")]
    data_dir: Option<PathBuf>,
}

impl Settings {
    /// The directory of the example of this name, which is made for its owner alone where it is not.
    ///
    /// # Errors
    /// A sentence that names the directory.
    pub fn data_dir(&self, example: &str) -> Result<PathBuf, String> {
        let directory = self
            .data_dir
            .clone()
            .unwrap_or_else(|| Path::new("data").join(example));
        let mut made = DirBuilder::new();
        let made = made.recursive(true).mode(0o700).create(&directory);
        made.map_err(|error| {
            format!(
                "{} cannot be made ({error}); name a directory that can be with --data-dir",
                directory.display()
            )
        })?;
        Ok(directory)
    }
}
