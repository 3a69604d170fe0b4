//! For the crate `sse-broadcaster-server` only: any release may change it.

pub use crate::{
    error::{no_store, refused},
    head::Head,
    link::{Framing, Link},
    pieces::Pieces,
    response::{admit_reader, head_of},
};
