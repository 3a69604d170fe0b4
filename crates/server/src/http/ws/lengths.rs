//! Checks the length of each frame as soon as its head has arrived. actix-ws checks a frame only once it is
//! complete, so that a client could declare a terabyte and go on sending.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use actix_web::{
    Error, FromRequest as _, HttpRequest, dev,
    error::PayloadError,
    web::{Bytes, Payload},
};
use futures_util::Stream;

use sse_broadcaster_http::Upload;

/// The bits of a frame's second byte that are the length, or a code for how many bytes the length has.
const LENGTH_BITS: u8 = 0x7F;
const LENGTH_IN_2_BYTES: u8 = 126;
const LENGTH_IN_8_BYTES: u8 = 127;
const MASK_BIT: u8 = 0x80;
const MASK_BYTES: u64 = 4;

/// The same body, with its bytes counted. It ends with [`PayloadError::Overflow`] if a frame declares more than `max`
/// bytes, and with [`io::ErrorKind::OutOfMemory`] at the bound of all uploads.
pub(super) fn bounded(
    request: &HttpRequest,
    body: Payload,
    max: usize,
    upload: Rc<RefCell<Upload>>,
) -> Result<Payload, Error> {
    let bounded: BoxedPayloadStream = Box::pin(Bounded {
        body: body.into_inner(),
        heads: FrameHeads::new(max),
        upload,
    });
    let mut bounded = dev::Payload::Stream { payload: bounded };
    Payload::from_request(request, &mut bounded).into_inner()
}

type BoxedPayloadStream = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

struct Bounded {
    body: dev::Payload,
    heads: FrameHeads,
    upload: Rc<RefCell<Upload>>,
}

impl Stream for Bounded {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let next = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &next {
            if !self.heads.check(bytes) {
                return Poll::Ready(Some(Err(PayloadError::Overflow)));
            }
            if self.upload.borrow_mut().add(bytes.len()).is_err() {
                let full = io::ErrorKind::OutOfMemory.into();
                return Poll::Ready(Some(Err(PayloadError::Io(full))));
            }
        }
        next
    }
}

/// The head of the current frame, as far as it has arrived.
struct FrameHeads {
    max: u64,
    head: [u8; 10],
    head_bytes: usize,
    /// How many bytes of the frame follow its head.
    remaining: u64,
}

impl FrameHeads {
    fn new(max: usize) -> Self {
        Self {
            max: max as u64,
            head: [0; 10],
            head_bytes: 0,
            remaining: 0,
        }
    }

    /// False if a frame that begins in these bytes is too long.
    fn check(&mut self, mut bytes: &[u8]) -> bool {
        while let Some(byte) = bytes.first() {
            if self.remaining > 0 {
                let skipped = bytes
                    .len()
                    .min(usize::try_from(self.remaining).unwrap_or(usize::MAX));
                self.remaining -= skipped as u64;
                bytes = &bytes[skipped..];
                continue;
            }
            self.head[self.head_bytes] = *byte;
            self.head_bytes += 1;
            bytes = &bytes[1..];
            let Some(length) = self.length() else {
                continue;
            };
            if length > self.max {
                return false;
            }
            let masked = self.head[1] & MASK_BIT != 0;
            self.remaining = length + if masked { MASK_BYTES } else { 0 };
            self.head_bytes = 0;
        }
        true
    }

    /// The length, once enough of the head has arrived.
    fn length(&self) -> Option<u64> {
        let wide = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |length, byte| length << 8 | u64::from(*byte))
        };
        match (self.head_bytes, self.head[1] & LENGTH_BITS) {
            (0 | 1, _) => None,
            (bytes, LENGTH_IN_2_BYTES) => (bytes == 4).then(|| wide(&self.head[2..4])),
            (bytes, LENGTH_IN_8_BYTES) => (bytes == 10).then(|| wide(&self.head[2..10])),
            (_, length) => Some(u64::from(length)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(head: &[u8], payload: usize) -> Vec<u8> {
        [head, &[1, 2, 3, 4], &vec![0xFF; payload]].concat()
    }

    /// Whether these pass in pieces of each size.
    fn passes(bytes: &[u8], max: usize) -> bool {
        let in_pieces = |size| {
            let mut heads = FrameHeads::new(max);
            bytes.chunks(size).all(|piece| heads.check(piece))
        };
        let whole = in_pieces(bytes.len());
        assert!((1..20).all(|size| in_pieces(size) == whole));
        whole
    }

    #[test]
    fn frames_up_to_the_bound_pass_however_they_are_cut() {
        let frames = [
            frame(&[0x81, 0x80], 0),
            frame(&[0x81, 0xFD], 125),
            frame(&[0x81, 0xFE, 0x01, 0x2C], 300),
            frame(&[0x81, 0xFF, 0, 0, 0, 0, 0, 0, 0x01, 0x2C], 300),
            vec![0x81, 0x02, 0xFF, 0xFF],
            frame(&[0x88, 0x82], 2),
        ]
        .concat();
        assert!(passes(&frames, 300));
        assert!(!passes(&frames, 299));
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_by_its_head_alone() {
        let small = frame(&[0x81, 0x85], 5);
        for head in [
            &[0x82, 0xFF, 0x80, 0, 0, 0, 0, 0, 0, 0][..],
            &[0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
            &[0x81, 0xFE, 0xFF, 0xFF],
        ] {
            assert!(!passes(&[&small[..], head].concat(), 1_000));
        }
    }
}
