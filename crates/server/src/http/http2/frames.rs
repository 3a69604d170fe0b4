//! Follows the frames that a client sends: the crate h2 does not report those that ask for work without a request,
//! nor a head whose end does not come.

use std::time::Instant;

use super::{
    limits::{
        CONTROL_FRAMES, CONTROL_FRAMES_EARNED, CONTROL_FRAMES_PER_SECOND, RESETS, RESETS_PER_SECOND,
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

/// Why a connection is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flood {
    ControlFrames,
    Resets,
}

/// The frames that a client has sent.
#[derive(Debug)]
pub(super) struct Frames {
    header: [u8; HEADER_BYTES],
    /// How much of the header has arrived.
    header_bytes: usize,
    /// How much of the frame's content, or of the preface, has not arrived yet.
    left: usize,
    /// When the head began that is not complete yet.
    head_since: Option<Instant>,
    ends_head: bool,
    control: Allowance,
    resets: Allowance,
    flood: Option<Flood>,
}

impl Frames {
    pub(super) fn new(max_streams: u32) -> Self {
        // A proxy may close all of its streams at once, and open them again.
        let resets = RESETS.max(max_streams.saturating_mul(2));
        Self {
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            left: PREFACE.len(),
            head_since: None,
            ends_head: false,
            control: Allowance::new(CONTROL_FRAMES, CONTROL_FRAMES_PER_SECOND),
            resets: Allowance::new(resets, RESETS_PER_SECOND),
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

    /// A request has begun, or so many frames of data were sent, after which the client may open windows.
    pub(super) fn earn(&mut self, frames: usize) {
        let frames = u32::try_from(frames).unwrap_or(u32::MAX);
        self.control
            .add(frames.saturating_mul(CONTROL_FRAMES_EARNED));
    }

    /// The next bytes of the connection.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.left > 0 {
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
            HEADERS | CONTINUATION => {
                self.head_since.get_or_insert_with(Instant::now);
                self.ends_head = flags & END_HEADERS != 0;
            }
            DATA if self.left > 0 || flags & END_STREAM != 0 => {}
            SETTINGS | PING if flags & ACK != 0 => {}
            RST_STREAM if !self.resets.take() => self.flood = Some(Flood::Resets),
            RST_STREAM => {}
            _ if !self.control.take() => self.flood = Some(Flood::ControlFrames),
            _ => {}
        }
        self.end_head_if_complete();
    }

    fn end_head_if_complete(&mut self) {
        if self.left == 0 && std::mem::take(&mut self.ends_head) {
            self.head_since = None;
        }
    }
}

/// How many frames may still come: a number that grows by the second, up to what it began with.
#[derive(Debug)]
struct Allowance {
    left: u32,
    most: u32,
    per_second: u32,
    since: Instant,
}

impl Allowance {
    fn new(most: u32, per_second: u32) -> Self {
        Self {
            left: most,
            most,
            per_second,
            since: Instant::now(),
        }
    }

    fn add(&mut self, more: u32) {
        self.left = self.left.saturating_add(more).min(self.most);
    }

    /// Takes one; false if none is left.
    fn take(&mut self) -> bool {
        if self.left == 0 {
            let seconds = self.since.elapsed().as_secs();
            if seconds > 0 {
                self.since = Instant::now();
                let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
                self.add(self.per_second.saturating_mul(seconds));
            }
        }
        let is_left = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let header = [0, 0, length, kind, flags, 0, 0, 0, 1];
        [&header[..], content].concat()
    }

    fn after(bytes: &[u8], size: usize) -> Frames {
        let mut frames = Frames::new(100);
        for piece in [PREFACE, bytes].concat().chunks(size) {
            frames.receive(piece);
        }
        frames
    }

    #[test]
    fn a_head_is_incomplete_until_its_last_frame_has_arrived_whatever_parts_it_arrives_in() {
        let begun = frame(HEADERS, 0, b"abc");
        let more = frame(CONTINUATION, 0, b"");
        let end = frame(CONTINUATION, END_HEADERS, b"de");
        let whole = [&begun[..], &more, &end].concat();
        for size in 1..40 {
            for length in 9..whole.len() {
                let frames = after(&whole[..length], size);
                assert!(frames.head_since().is_some(), "{length} in {size}");
            }
            assert!(after(&whole, size).head_since().is_none(), "{size}");
        }
        let alone = frame(HEADERS, END_HEADERS, b"");
        assert!(after(&alone, 9).head_since().is_none());
    }

    #[test]
    fn frames_that_ask_for_work_are_a_flood_if_there_are_too_many_and_no_others_are() {
        let most = CONTROL_FRAMES as usize;
        let flood = |frame: &[u8], times| after(&frame.repeat(times), 1_000).flood();
        for (kind, flags) in [
            (PING, 0),
            (SETTINGS, 0),
            (2, 0),
            (8, 0),
            (DATA, 0),
            (0xfe, 0),
        ] {
            let frame = frame(kind, flags, b"");
            assert_eq!(flood(&frame, most), None, "{kind}");
            assert_eq!(
                flood(&frame, most + 1),
                Some(Flood::ControlFrames),
                "{kind}"
            );
        }
        assert_eq!(flood(&frame(RST_STREAM, 0, b"1234"), 200), None);
        let resets = flood(&frame(RST_STREAM, 0, b"1234"), 201);
        assert_eq!(resets, Some(Flood::Resets));
        for (kind, flags, content) in [
            (PING, ACK, &b""[..]),
            (SETTINGS, ACK, b""),
            (DATA, 0, b"x"),
            (DATA, END_STREAM, b""),
            (HEADERS, END_HEADERS, b""),
        ] {
            assert_eq!(
                flood(&frame(kind, flags, content), 3 * most),
                None,
                "{kind}"
            );
        }
    }

    #[test]
    fn a_client_earns_frames_by_its_requests_and_what_it_is_sent() {
        let mut frames = after(b"", 1_000);
        for _ in 0..3 * CONTROL_FRAMES {
            frames.receive(&frame(8, 0, b"1234").repeat(2));
            frames.earn(1);
        }
        assert_eq!(frames.flood(), None);
    }
}
