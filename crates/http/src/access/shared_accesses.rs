//! Clients with the same grants share one access, so that what they are due is put together once.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use sse_broadcaster_access::Grants;

use super::granted_access::GrantedAccess;

/// Most accesses that are shared. Further ones are not shared, and cost memory of their own.
const MAX_SHARED: usize = 100_000;
/// Entries whose clients are gone are swept after as many new ones as there were at the last time, but not fewer.
const MIN_BETWEEN_SWEEPS: usize = 1_024;

/// By the address of the grants. An access that is still there keeps its grants, so that no others have their
/// address.
#[derive(Default)]
pub(super) struct SharedAccesses(Mutex<Table>);

#[derive(Default)]
struct Table {
    accesses: HashMap<usize, Weak<GrantedAccess>>,
    until_sweep: usize,
}

impl SharedAccesses {
    /// The access of these grants, or a new one.
    pub(super) fn get(
        &self,
        grants: &Arc<Grants>,
        new: impl FnOnce() -> GrantedAccess,
    ) -> Arc<GrantedAccess> {
        let address = Arc::as_ptr(grants).addr();
        let mut table = self.0.lock();
        if let Some(shared) = table.accesses.get(&address).and_then(Weak::upgrade) {
            return shared;
        }
        let access = Arc::new(new());
        table.insert(address, &access);
        access
    }
}

impl Table {
    fn insert(&mut self, address: usize, access: &Arc<GrantedAccess>) {
        self.until_sweep = self.until_sweep.saturating_sub(1);
        if self.until_sweep == 0 {
            self.accesses.retain(|_, access| access.strong_count() > 0);
            self.until_sweep = self.accesses.len().max(MIN_BETWEEN_SWEEPS);
        }
        if self.accesses.len() < MAX_SHARED {
            self.accesses.insert(address, Arc::downgrade(access));
        }
    }
}

impl fmt::Debug for SharedAccesses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SharedAccesses")
    }
}
