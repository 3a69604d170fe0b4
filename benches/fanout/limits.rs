//! The limit of open files, which bounds how many subscribers there can be.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that are kept free, here and in the servers; ours keeps a reserve for publishers.
const KEPT: usize = 1_300;
/// More connections from one address would exhaust its ports.
const MOST: usize = 25_000;

/// Raises the soft limit to the hard one, for the servers too.
pub fn raise() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    let _ = setrlimit(Resource::Nofile, raised);
}

pub fn descriptors() -> usize {
    let limit = getrlimit(Resource::Nofile).current;
    let limit = limit.and_then(|limit| usize::try_from(limit).ok());
    limit.unwrap_or(usize::MAX).clamp(KEPT + 1, 1 << 20)
}

pub fn most_subscribers() -> usize {
    (descriptors() - KEPT).min(MOST)
}

/// The wanted number, or as many as the limit allows.
pub fn subscribers(wanted: usize) -> usize {
    let most = most_subscribers();
    if wanted > most {
        eprintln!(
            "{most} subscribers in place of {wanted}: the limit of open files allows no more"
        );
    }
    wanted.min(most)
}
