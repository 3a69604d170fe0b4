//! Certificates by ACME (RFC 8555) for [sse-broadcaster](https://docs.rs/sse-broadcaster): one order at a time, which
//! takes a bounded time and memory whatever the authority sends. It blocks, and belongs on a thread of its own.
//!
//! ```text
//! order.rs      an order, from the account to the certificate
//! account.rs    the account at the authority
//! challenge.rs  what proves to the authority that a name leads to this server
//! http.rs       requests to the authority, and their limits
//! store.rs      the directory of the account, the certificate and its key
//! schedule.rs   when a certificate is renewed, and when a failed order is repeated
//! suggestion.rs when the authority wants a certificate to be renewed
//! error.rs      why there is no certificate
//! ```
#![deny(missing_docs)]

mod account;
mod challenge;
mod error;
mod http;
mod order;
mod schedule;
mod store;
mod suggestion;

pub use challenge::{ChallengeKind, ChallengeResponse, Responder};
pub use error::OrderError;
pub use order::{Issued, Settings, order};
pub use schedule::{MAX_DELAY, renewal, retry_delay};
pub use store::{OrderLock, Store};
pub use suggestion::suggested_renewal;
pub use url::Url;
