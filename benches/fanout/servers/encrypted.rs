//! Servers with TLS, other than nginx.

use super::Server;
use crate::certificate::Files;

pub fn ours() -> Server {
    let files = Files::new();
    let args = ["--tls-cert", &files.certificate, "--tls-key", &files.key];
    Server::ours_in(Some(files.directory), &args)
}

pub fn yardstick() -> Server {
    let files = Files::new();
    let what = ["yardstick-tls", &files.certificate, &files.key];
    Server::of_benchmark_in(Some(files.directory), &what)
}
