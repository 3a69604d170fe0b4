//! TLS for [sse-broadcaster](https://docs.rs/sse-broadcaster): sessions that keep no buffers while they are idle, and
//! certificates that are read again while the server runs.
//!
//! ```text
//! handshake.rs     from an accepted connection to a session
//! session.rs       reads from the socket of a session; session/write.rs: writes to it
//! records.rs       decrypts and encrypts records
//! socket.rs        what a session needs of a socket
//! scratch.rs       the buffers of the thread
//! allowance.rs     how many records without text a client may send
//! certificates.rs  which certificate a client gets
//! challenges.rs    certificates that prove a name to an authority
//! pair.rs          a certificate and its key
//! pem.rs           reads both from files
//! directory.rs     the pairs of a directory
//! counts.rs        how handshakes ended
//! ```
#![deny(missing_docs)]

mod allowance;
mod certificates;
mod challenges;
mod counts;
mod directory;
mod handshake;
mod pair;
mod pem;
mod records;
mod scratch;
mod session;
mod socket;
#[cfg(test)]
mod tests;

pub use certificates::{Certificates, Current, server_config};
pub use challenges::{CHALLENGE_PROTOCOL, Challenges};
pub use counts::{HandshakeCounts, Outcome};
pub use directory::{MAX_PAIRS, pairs_in};
pub use handshake::{HandshakeError, Turns, accept};
pub use pair::{Pair, PairError};
pub use pem::certificates_in;
pub use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
};
pub use session::Session;
pub use socket::Socket;
