//! Access control of sse-broadcaster: who may subscribe to, publish to and see the presence on which topics.
//!
//! # Layout
//! - [`pattern`]: patterns of topics: exact, `*`, URI template, URL pattern; sets and indexes of them.
//! - [`grants`]: what one client may do, and until when.
//! - [`keys`], [`jwks`], [`issuer`]: whose signatures are trusted.
//! - [`token`]: one token is verified, and its claims become grants.
//! - [`revocation`]: grants that end before their time.
//! - [`authorize`]: from a request's credentials to grants: by tokens, or by asking the application.
//! - [`mint`]: tokens are created and explained, for those who set this up.
//! - [`transport`]: the HTTP client, which can be replaced.
//!
//! The crate depends on no web framework and knows nothing of the broadcaster: topics are text.
//!
//! # One request's way
//! [`authorize::Credentials`] → [`authorize::Authorize`] → a cache, by a digest of what was sent →
//! [`token::verify`] or a request to the application → [`Grants`], which the subscriber keeps by one pointer →
//! [`Grants::may_subscribe`] for each private event.

#![deny(missing_docs)]

pub mod authorize;
mod cache;
mod crypto;
mod flight;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod grants;
mod intern;
pub mod issuer;
pub mod jwks;
pub mod keys;
pub mod mint;
pub mod pattern;
pub mod revocation;
#[cfg(test)]
mod testing;
pub mod token;
pub mod transport;

pub use authorize::{Authorize, AuthorizeError, Credentials};
pub use grants::{Grants, GrantsBuilder, Origin};
pub use pattern::{BaseUrl, Pattern, PatternError, PatternSet};
