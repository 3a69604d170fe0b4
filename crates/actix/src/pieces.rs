//! Bodies that are sent in pieces. actix copies what a body yields into the connection's buffer, so that a
//! client that does not read would hold a copy of the whole body.

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web::Bytes,
};

use sse_broadcaster::internal::MAX_PIECE_BYTES;

/// Splits bytes into pieces for a body.
pub(super) fn pieces<E>(bytes: Bytes) -> impl Iterator<Item = Result<Bytes, E>> {
    let mut pieces = Pieces(bytes);
    std::iter::from_fn(move || pieces.take_piece().map(Ok))
}

/// A body of bytes that are in memory; they are not copied.
#[derive(Debug)]
pub struct Pieces(Bytes);

impl Pieces {
    /// The body of these bytes.
    pub fn of(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    fn take_piece(&mut self) -> Option<Bytes> {
        let piece = self.0.split_to(self.0.len().min(MAX_PIECE_BYTES));
        (!piece.is_empty()).then_some(piece)
    }
}

impl MessageBody for Pieces {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0.len() as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Infallible>>> {
        Poll::Ready(self.take_piece().map(Ok))
    }
}
