//! The commands.
use clap::Parser;
use crate::config::Config;

#[derive(Debug, Parser)]
pub struct Cli {
    #[command(flatten)]
    pub config: Config,
}
