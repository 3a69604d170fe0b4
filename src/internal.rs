//! What the crates of this workspace share beside the public API. Only they may use it: it changes with any
//! release.

pub use crate::{
    broadcaster::{MAX_PIECE_BYTES, ReplayBuffers},
    event::{Fields, SIGNAL_TOPICS},
    history::{
        ids::{Ids, first_sequence, now_ms},
        retained::Retained,
        times::{Step, Steps},
    },
    shown::Shown,
};
