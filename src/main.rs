//! Parse, build, run.
use clap::Parser;
fn main() {
    let cli = sse_broadcaster::cli::Cli::parse();
    if let Err(error) = sse_broadcaster::http::serve(&cli.config) {
        eprintln!("sse-broadcaster: {error}");
        std::process::exit(1);
    }
}
