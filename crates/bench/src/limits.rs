//! The limits of this machine: open files and local ports.

use std::{io, net::SocketAddr};

use crate::format::count;
use sse_broadcaster_cli::client;

const EMFILE: i32 = 24;
const ENFILE: i32 = 23;
/// Files that the program itself has open, those under `/proc` among them.
const OWN: usize = 24;

/// How many subscribers the limit allows in addition to the publishers.
pub(crate) fn most_subscribers(open_files: usize, publishers: usize) -> usize {
    open_files.saturating_sub(OWN + publishers)
}

pub(crate) fn why_no_more_files(open_files: usize) -> String {
    let limit = count(open_files as u64);
    format!("the limit of open files is {limit}; raise it with ulimit -n")
}

/// Whether the next connection would fail for the same reason.
pub(crate) fn is_of_this_machine(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(EMFILE | ENFILE))
        || error.kind() == io::ErrorKind::AddrNotAvailable
}

pub(crate) fn why(error: &io::Error, address: SocketAddr) -> String {
    match error.raw_os_error() {
        Some(EMFILE) => "the limit of open files; raise it with ulimit -n".to_owned(),
        Some(ENFILE) => "the system's limit of open files; see fs.file-max".to_owned(),
        _ if error.kind() == io::ErrorKind::AddrNotAvailable => format!(
            "no local port is left for one more connection to {address}; see \
             net.ipv4.ip_local_port_range, or use further machines"
        ),
        _ => client::why_io(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_this_machine_is_reported_with_how_to_raise_it() {
        let address = SocketAddr::from(([127, 0, 0, 1], 8000));
        let report = |error: io::Error| (why(&error, address), is_of_this_machine(&error));
        let (ports, is_ours) = report(io::ErrorKind::AddrNotAvailable.into());
        assert!(
            ports.contains("port") && ports.contains("127.0.0.1:8000") && is_ours,
            "{ports}"
        );
        let (files, is_ours) = report(io::Error::from_raw_os_error(EMFILE));
        assert!(files.contains("ulimit -n") && is_ours, "{files}");
        let (refused, is_ours) = report(io::ErrorKind::ConnectionRefused.into());
        assert!(refused == "connection refused" && !is_ours, "{refused}");
    }

    #[test]
    fn subscribers_leave_room_for_publishers_whatever_the_limit() {
        assert_eq!(most_subscribers(20_000, 64), 20_000 - OWN - 64);
        assert_eq!(most_subscribers(10, 64), 0);
    }
}
