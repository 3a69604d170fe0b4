//! A body that is sent piece by piece. actix copies what a body yields into the connection's buffer: a
//! client that does not read would pin a copy of all of it.

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

/// Bytes in pieces that a body may yield.
pub(super) fn pieces<E>(mut bytes: Bytes) -> impl Iterator<Item = Result<Bytes, E>> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(MAX_PIECE_BYTES));
        (!piece.is_empty()).then_some(Ok(piece))
    })
}

/// Bytes that others may share.
#[derive(Debug)]
pub struct Pieces(Bytes);

impl Pieces {
    /// All of these bytes.
    pub fn of(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
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
        let piece = self.0.len().min(MAX_PIECE_BYTES);
        let piece = self.0.split_to(piece);
        Poll::Ready((!piece.is_empty()).then_some(Ok(piece)))
    }
}
