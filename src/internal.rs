//! What the crates of this workspace share beside the public API. Only they may use it: it changes with any
//! release.

pub use crate::{
    broadcaster::{MAX_PIECE_BYTES, ReplayBuffers},
    clock::{from_unix_ms, now_ms, unix_ms, whole_ms},
    history::{
        backoff::Backoff,
        ids::{Ids, first_sequence},
        reservations::{Followed, Reservations},
        retained::{Retained, drop_repeats},
        times::{Step, Steps},
    },
    shown::Shown,
};
