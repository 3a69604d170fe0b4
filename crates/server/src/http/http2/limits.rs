//! What one connection may have, and may have the server do.

use std::time::Duration;

use h2::server::Builder;

/// Longest head of a request, as HTTP/2 counts it: with 32 bytes for each header.
const MAX_HEADER_BYTES: u32 = 16 << 10;
/// How much of a body a client may send before a route has read it.
const STREAM_WINDOW_BYTES: u32 = 64 << 10;
/// The same for all bodies of a connection: they are in memory until they are read.
const CONNECTION_WINDOW_BYTES: u32 = 256 << 10;
/// Most bytes of one response that wait in the connection's buffers.
const SEND_BUFFER_BYTES: usize = 32 << 10;
/// Most bytes that h2 may keep of small frames of bodies, beside their content, until a route has read them: a client may
/// send each line by itself.
const SMALL_FRAMES_BYTES: usize = 1 << 20;
/// Most requests that were reset before they were accepted (CVE-2023-44487).
const MAX_PENDING_RESETS: usize = 20;
/// Most streams that the server itself resets because the client has broken the protocol (CVE-2025-8671).
const MAX_ERROR_RESETS: usize = 256;
/// Most streams that are remembered after their reset.
const MAX_REMEMBERED_RESETS: usize = 50;

/// Most bytes that one poll of a connection reads.
pub(super) const READ_PER_POLL: usize = 16 << 10;
/// Most bytes that requests and streams are given to send before they leave for the socket.
pub(super) const SEND_AT_ONCE: usize = 64 << 10;
/// Most bytes of one response that are reserved of the client's windows at once, so that the others get some.
pub(super) const RESERVE_AT_ONCE: usize = 16 << 10;
/// Longest frame of data that is sent.
pub(super) const MAX_DATA_BYTES: usize = 16 << 10;
/// For how long a connection is polled before others have their turn.
pub(super) const TURN: Duration = Duration::from_micros(400);
/// Most requests that begin in one turn.
pub(super) const BEGIN_AT_ONCE: usize = 32;

/// How many frames a client may send that ask for work without a request (PING, SETTINGS, acknowledgements of none,
/// PRIORITY, `WINDOW_UPDATE`, CONTINUATION, empty DATA, unknown ones) ...
pub(super) const CONTROL_FRAMES: u32 = 2_000;
/// ... and how many more in each second, ...
pub(super) const CONTROL_FRAMES_PER_SECOND: u32 = 100;
/// ... and for each request, and each frame of data that it is sent: two windows may be opened for it.
pub(super) const CONTROL_FRAMES_EARNED: u32 = 4;
/// How many requests a client may reset at least before it is taken for an attack, ...
pub(super) const RESETS: u32 = 200;
/// ... and how many more in each second.
pub(super) const RESETS_PER_SECOND: u32 = 50;

/// How many heads a client may send at least that begin no request (refused, malformed, too large ones), ...
pub(super) const HEADS: u32 = 500;
/// ... how many more in each second, ...
pub(super) const HEADS_PER_SECOND: u32 = 50;
/// ... and for each request, which may have trailers.
pub(super) const HEADS_EARNED: u32 = 2;
/// Trailers are kept until a route has read the body, or the response is there: each takes as many control frames as it
/// has times so many bytes. HPACK makes a header of one of them.
pub(super) const TRAILER_BYTES: usize = 16;
/// How many frames of DATA a client may send that no route has read: more than fit into the windows, ...
pub(super) const DATA_FRAMES: u32 = 8_000;
/// ... how many more in each second, since those of a refused body are dropped, ...
pub(super) const DATA_FRAMES_PER_SECOND: u32 = 500;
/// ... and for each request: a stream's window of the longest frames, and the end.
pub(super) const DATA_FRAMES_EARNED: u32 = 5;

/// Most memory of all requests of a connection whose response is not there yet, for each that it may have at a time.
/// More are refused: HPACK makes 16 KiB of few bytes.
pub(super) const HELD_BYTES_EACH: usize = 16 << 10;
/// The same of all connections. Beyond it only those are refused that hold more than ...
pub(super) const HELD_BYTES_OF_ALL: usize = 32 << 20;
/// ... this, so that a few connections cannot keep all others from being served.
pub(super) const HELD_BYTES_IN_ANY_CASE: usize = 64 << 10;
/// What a request takes without its headers, ...
pub(super) const REQUEST_BYTES: usize = 12 << 10;
/// ... what a header takes beside its name and value, ...
pub(super) const HEADER_BYTES: usize = 256;
/// ... and what a further value of the same header takes.
pub(super) const HEADER_VALUE_BYTES: usize = 64;

/// How long a connection that is being closed may take to accept what it is still sent.
pub(super) const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// For how many stall timeouts a client may send nothing, with a PING to respond to.
pub(super) const SILENT_PERIODS: u32 = 8;

/// The settings of a connection, of which the client is sent its limits.
pub(super) fn builder(max_streams: u32) -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(max_streams)
        .max_header_list_size(MAX_HEADER_BYTES)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .data_frame_budget(SMALL_FRAMES_BYTES)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(Some(MAX_ERROR_RESETS))
        .max_concurrent_reset_streams(MAX_REMEMBERED_RESETS);
    builder
}
