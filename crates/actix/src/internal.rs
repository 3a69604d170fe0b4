//! What the server shares with these routes beside the public API. Only it may use this: it changes with any
//! release.

pub use crate::{
    AppState, Refusals,
    access::{RequestParts, Seat},
    body::{BYTE_ORDER_MARK, max_json, objects, raw},
    error::{RefusalCode, no_store},
    fields::{Fields, Member, members, twice, wrong_type},
    history_page::PageFormat,
    keys::Permit,
    link::{Framing, Link},
    media::accepted,
    method_not_allowed, not_found,
    pieces::Pieces,
    subscribe::{Opened, Requested, Route, grant, is_chunked, open as open_stream, read},
    uploads::{PART_TIMEOUT, Upload, Uploads},
};
