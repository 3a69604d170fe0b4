//! An HTTP/1.1 client that never blocks: thousands of connections on one thread.

mod chunked;
pub(crate) mod connection;
pub(crate) mod endpoint;
pub(crate) mod rejection;
pub(crate) mod response;
