//! The server: its settings, its listeners, and the commands of the binary.

pub mod commands;
#[allow(
    rustdoc::bare_urls,
    rustdoc::invalid_html_tags,
    reason = "the comments are the text of --help"
)]
pub mod config;
mod environment;
pub mod http;
mod metrics;
mod usage;
