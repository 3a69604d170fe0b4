//! The default wire of signals, held against the published crate `leptos_sse`, whose clients read it.
//!
//! - [`page`]: a page that uses the crate, without a browser.
//! - [`peer`]: the crate's own server.
//! - [`stream`]: what either of them sends, as messages.
//!
//! The crate's client itself runs in a browser: `client/`, `glue/` and `client.test.mjs`.

pub mod page;
pub mod peer;
pub mod stream;
