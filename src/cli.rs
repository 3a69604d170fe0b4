//! The commands.
use crate::config::Config;
use clap::Parser;

#[derive(Debug, Parser)]
pub struct Cli {
    #[command(flatten)]
    pub config: Config,
}
