//! What the connections of `http/direct` and `http/dispatcher` have in common.
//!
//! ```text
//! connection/accepted.rs     an accepted connection, before it is known which kind it becomes
//! connection/client_socket.rs  its socket, with its encryption; async_socket.rs: for tasks of the runtime
//! connection/settings.rs     timeouts and buffers
//! connection/paths.rs        how requests begin that are recognized before they are parsed
//! connection/limits.rs       how many connections there may be, by the limit of open files
//! connection/capacity.rs     how many there are; the one that has been idle longest makes room
//! connection/socket.rs       socket options, and what the kernel reports about a socket
//! connection/upgrades.rs     upgrades to other protocols, which are ignored
//! connection/stall.rs        peers that acknowledge almost nothing
//! connection/slow_replay.rs  peers that read replayed events too slowly while others wait
//! connection/discarded.rs    bytes that a client sends after the request of an open stream
//! connection/cut.rs          how a stream is cut
//! ```

pub(crate) mod accepted;
pub(crate) mod async_socket;
pub(crate) mod capacity;
pub(crate) mod client_socket;
pub(crate) mod cut;
pub(crate) mod discarded;
pub(crate) mod limits;
pub(crate) mod paths;
pub(crate) mod settings;
pub(crate) mod slow_replay;
pub(crate) mod socket;
pub(crate) mod stall;
pub(crate) mod upgrades;
