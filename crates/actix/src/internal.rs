//! What the server shares with these routes beside the public API. Only it may use this: it changes with any
//! release.

pub use crate::{
    error::{no_store, refused},
    head::Head,
    link::{Framing, Link},
    pieces::Pieces,
    response::head_of,
};
