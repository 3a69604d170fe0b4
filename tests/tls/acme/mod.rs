//! Certificates by ACME, from an authority in this process that really connects to the server.

mod authority;
mod check;
mod faults;
mod jws;
mod orders;
mod responses;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use rustls::ClientConfig;
use tempfile::TempDir;

use self::authority::{Authority, Fault};
use super::*;
use crate::support::{clock, command, shim, wait_until};

const NAME: &str = "a.example";
const DAY: u64 = 86_400;

/// An authority, and the directory of a server that orders from it.
struct Setting {
    authority: Authority,
    directory: TempDir,
}

impl Setting {
    fn new() -> Self {
        Self {
            authority: Authority::start(),
            directory: tempfile::tempdir().unwrap(),
        }
    }

    /// The directory of the account and the certificate.
    fn kept(&self) -> PathBuf {
        self.directory.path().join("acme")
    }

    /// The one file of this name below it.
    fn file(&self, name: &str) -> PathBuf {
        let entry = std::fs::read_dir(self.kept()).unwrap().next().unwrap();
        entry.unwrap().path().join(name)
    }

    fn clock(&self) -> PathBuf {
        self.directory.path().join("clock")
    }

    /// A server that orders a certificate, with a clock that can be set.
    fn command(&self, args: &[&str]) -> Command {
        let kept = self.kept();
        let own = self.authority.arguments();
        let own = own.iter().map(String::as_str);
        let first = [
            "--listen",
            "127.0.0.1:0",
            "--allow-anonymous-publish",
            "--acme-domain",
            NAME,
            "--acme-dir",
            kept.to_str().unwrap(),
        ];
        let args = first.into_iter().chain(own).chain(args.iter().copied());
        shim::with_clock(command(&args.collect::<Vec<_>>()), &self.clock())
    }

    /// Starts it; names lead nowhere yet.
    fn start(&self, args: &[&str]) -> Server {
        self.authority.leads_nowhere();
        Server::spawn(self.command(args))
    }

    /// A server that has its certificate.
    fn started(&self, args: &[&str]) -> Server {
        let mut server = self.start(args);
        self.authority.leads_to("tls-alpn-01", server.address);
        server.wait_for_log("the certificate for a.example is valid until ");
        server
    }

    /// A server that waits for its certificate, until the fault ends.
    fn ordering(&self) -> Server {
        self.authority.set_fault(Fault::Holds);
        let server = self.start(&[]);
        self.authority.leads_to("tls-alpn-01", server.address);
        wait_until("it waits for the certificate", || self.authority.is_held());
        server
    }

    /// Sets the clocks of the server and of the authority.
    fn set_days_ahead(&self, days: u64) {
        clock::set(&self.clock(), days * DAY);
        self.authority.set_ahead(days * DAY);
    }
}

/// The certificate of a client that trusts the authority alone; `None` if it is not served.
fn served(server: &Server, config: &std::sync::Arc<ClientConfig>) -> Option<Vec<u8>> {
    let mut client = connect_as(server, config, NAME);
    client.conn.complete_io(&mut client.sock).ok()?;
    let certificates = client.conn.peer_certificates()?;
    Some(certificates[0].to_vec())
}

fn metric_of<T: FromStr<Err: Debug>>(server: &Server, name: &str) -> T {
    let client = connect_as(
        server,
        &crate::support::tunnel::Identity::trusting_all(),
        NAME,
    );
    let metrics = request(client, "GET /metrics HTTP/1.1", "");
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.expect(name).trim().parse().unwrap()
}

fn mode(path: &Path) -> u32 {
    use std::os::unix::fs::PermissionsExt as _;
    let metadata = std::fs::metadata(path).expect("it exists");
    metadata.permissions().mode() & 0o7777
}
