//! The limit of open files, raised at start by the server and the load tester.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The limit that is assumed where the system has none.
pub const UNLIMITED: usize = 1 << 20;

/// Raises the soft limit to the hard one, and returns the limit in effect.
#[must_use]
pub fn raise_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            log::warn!(
                "the limit of open files cannot be raised and stays at {:?}: {error}",
                limit.current
            );
        }
    }
    let now = getrlimit(Resource::Nofile).current;
    now.map_or(UNLIMITED, |limit| {
        usize::try_from(limit).unwrap_or(UNLIMITED)
    })
}
