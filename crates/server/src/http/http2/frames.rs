//! Follows the frames that a client sends: the crate h2 does not report those that ask for work without a request,
//! nor a head whose end does not come.

use std::time::Instant;

use super::{
    allowance::Allowance,
    limits::{
        CONTROL_FRAMES, CONTROL_FRAMES_EARNED, CONTROL_FRAMES_PER_SECOND, DATA_FRAMES,
        DATA_FRAMES_EARNED, DATA_FRAMES_PER_SECOND, HEADS, HEADS_EARNED, HEADS_PER_SECOND, RESETS,
        RESETS_PER_SECOND, TRAILER_BYTES,
    },
    preface::PREFACE,
};

/// Length of a frame's header.
const HEADER_BYTES: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const CONTINUATION: u8 = 9;

/// Ends a body, of DATA.
const END_STREAM: u8 = 1;
/// Responds to a SETTINGS or PING of the server.
const ACK: u8 = 1;
/// Ends a head, of HEADERS and CONTINUATION.
const END_HEADERS: u8 = 4;
/// The content begins with the length of the padding behind it.
const PADDED: u8 = 8;

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    ControlFrames,
    Resets,
    Heads,
    Data,
}

/// The frames that a client has sent. Each takes from an allowance, whether it is valid or not: what it is good for
/// adds to it again.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER_BYTES],
    /// How much of the header has arrived.
    header_bytes: usize,
    /// How much of the frame's content, or of the preface, has not arrived yet.
    left: usize,
    /// The next byte is the length of the padding of DATA.
    awaits_padding: bool,
    /// When the head began that is not complete yet.
    head_since: Option<Instant>,
    ends_head: bool,
    /// The stream of the last request.
    last_stream: u32,
    /// How many SETTINGS and PING of the server have not been acknowledged.
    unacknowledged: u32,
    control: Allowance,
    resets: Allowance,
    heads: Allowance,
    data: Allowance,
    flood: Option<Flood>,
}

impl Frames {
    pub(super) fn new(max_streams: u32) -> Self {
        // A proxy may close all of its streams at once, and open them again.
        let all_twice = max_streams.saturating_mul(2);
        Self {
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            left: PREFACE.len(),
            awaits_padding: false,
            head_since: None,
            ends_head: false,
            last_stream: 0,
            // The SETTINGS with which a connection begins.
            unacknowledged: 1,
            control: Allowance::new(CONTROL_FRAMES, CONTROL_FRAMES_PER_SECOND),
            resets: Allowance::new(RESETS.max(all_twice), RESETS_PER_SECOND),
            heads: Allowance::new(HEADS.max(all_twice), HEADS_PER_SECOND),
            data: Allowance::new(DATA_FRAMES, DATA_FRAMES_PER_SECOND),
            flood: None,
        }
    }

    /// Since when a head is not complete.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.head_since
    }

    pub(super) fn flood(&self) -> Option<Flood> {
        self.flood
    }

    /// So many frames of data were sent, after which the client may open windows.
    pub(super) fn earn(&mut self, frames: usize) {
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        self.control
            .add(frames.saturating_mul(CONTROL_FRAMES_EARNED));
    }

    /// A head was that of a request which is served.
    pub(super) fn begin_request(&mut self) {
        self.earn(1);
        self.heads.add(HEADS_EARNED);
        self.data.add(DATA_FRAMES_EARNED);
    }

    /// A route has read a frame of a body.
    pub(super) fn read_data(&mut self) {
        self.data.add(1);
    }

    /// A PING was sent, which the client must acknowledge.
    pub(super) fn expect_ack(&mut self) {
        self.unacknowledged = self.unacknowledged.saturating_add(1);
    }

    /// The next bytes of the connection.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
                if std::mem::take(&mut self.awaits_padding) {
                    self.count_data(self.left.saturating_sub(1 + usize::from(bytes[0])));
                }
                let content = self.left.min(bytes.len());
                self.left -= content;
                bytes = &bytes[content..];
                self.end_head_if_complete();
                continue;
            }
            let missing = (HEADER_BYTES - self.header_bytes).min(bytes.len());
            let (header, rest) = bytes.split_at(missing);
            self.header[self.header_bytes..][..missing].copy_from_slice(header);
            self.header_bytes += missing;
            bytes = rest;
            if self.header_bytes == HEADER_BYTES {
                self.header_bytes = 0;
                self.begin_frame();
            }
        }
    }

    fn begin_frame(&mut self) {
        let [high, middle, low, kind, flags, ..] = self.header;
        self.left = usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low);
        match kind {
            HEADERS => {
                self.begin_head(flags);
                let stream = [5, 6, 7, 8].map(|at| self.header[at]);
                let stream = u32::from_be_bytes(stream) & (u32::MAX >> 1);
                let is_trailer = stream <= self.last_stream;
                self.last_stream = self.last_stream.max(stream);
                let bytes = if is_trailer { self.left } else { 0 };
                self.take_control(u32::try_from(bytes / TRAILER_BYTES).unwrap_or(u32::MAX));
                if !self.heads.take(1) {
                    self.flood = Some(Flood::Heads);
                }
            }
            CONTINUATION => {
                self.begin_head(flags);
                self.take_control(1);
            }
            DATA if flags & PADDED != 0 && self.left > 0 => self.awaits_padding = true,
            DATA => self.count_data(self.left),
            SETTINGS | PING if flags & ACK != 0 && self.unacknowledged > 0 => {
                self.unacknowledged -= 1;
            }
            RST_STREAM if !self.resets.take(1) => self.flood = Some(Flood::Resets),
            RST_STREAM => {}
            _ => self.take_control(1),
        }
        self.end_head_if_complete();
    }

    fn begin_head(&mut self, flags: u8) {
        self.head_since.get_or_insert_with(Instant::now);
        self.ends_head = flags & END_HEADERS != 0;
    }

    /// Counts a frame of data, with so much content behind its padding.
    fn count_data(&mut self, content: usize) {
        if content == 0 && self.header[4] & END_STREAM == 0 {
            self.take_control(1);
        } else if !self.data.take(1) {
            self.flood = Some(Flood::Data);
        }
    }

    fn take_control(&mut self, frames: u32) {
        if !self.control.take(frames) {
            self.flood = Some(Flood::ControlFrames);
        }
    }

    fn end_head_if_complete(&mut self) {
        if self.left == 0 && std::mem::take(&mut self.ends_head) {
            self.head_since = None;
        }
    }
}

#[cfg(test)]
mod tests;
