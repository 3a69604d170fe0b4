//! A request body without its content coding.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf as _, Bytes};
use futures_util::Stream;

use crate::{AppState, Refusal, RequestHead};

/// Most bytes that are decoded in one step.
const MAX_PIECE: usize = 64 << 10;
/// After so many pieces without a pause others have their turn: a body of a few kilobytes may decode to a gigabyte.
const PIECES_PER_TURN: u8 = 8;

/// The content codings that request bodies may have. The crate `sse-broadcaster-compression` implements it.
pub trait BodyCodings: std::fmt::Debug + Send + Sync {
    /// Their names, as in `Accept-Encoding`, for example `gzip, zstd`.
    fn names(&self) -> &'static str;

    /// A decoder for a body of this coding, whose name is in lower case; `None` for another coding.
    fn decoder(&self, name: &str) -> Option<Box<dyn Decoder>>;
}

/// Decodes one body.
pub trait Decoder: Send {
    /// Decodes some of `input` into `out`, which is empty, and fills it no further than its capacity. Returns how many
    /// bytes of the input were used. If none were used and nothing was written, more input is needed. The input is
    /// empty if `out` was full the last time.
    ///
    /// # Errors
    /// [`Malformed`] for input that is not of this coding.
    fn decode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed>;

    /// Whether the body may end here.
    fn is_complete(&self) -> bool;

    /// How many bytes of memory the decoder uses.
    fn memory(&self) -> usize;
}

/// A body is not of the coding that its request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

/// Why a body ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyError {
    /// The connection ended, or what was decoded did.
    Incomplete,
    Malformed,
}

impl From<BodyError> for Refusal {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete => {
                Self::bad_request("incomplete_body", "the body ended before it was complete")
            }
            BodyError::Malformed => Self::bad_request(
                "invalid_compression",
                "the body is not of the coding that Content-Encoding names; send it so, or without \
                 Content-Encoding",
            ),
        }
    }
}

/// A body, decoded as it arrives.
pub(crate) struct Decoded<B> {
    body: B,
    decoder: Option<Box<dyn Decoder>>,
    /// What has arrived and is not decoded yet.
    input: Bytes,
    /// The last piece was full: the decoder may hold more.
    is_full: bool,
    pieces: u8,
}

impl<B> Decoded<B> {
    /// # Errors
    /// 415 `unsupported_media_type` for a coding that is not known.
    pub(crate) fn new(
        request: &impl RequestHead,
        body: B,
        state: &AppState,
    ) -> Result<Self, Refusal> {
        Ok(Self {
            body,
            decoder: decoder(request, state)?,
            input: Bytes::new(),
            is_full: false,
            pieces: 0,
        })
    }

    /// How many bytes it holds beside those that it has yielded.
    pub(crate) fn memory(&self) -> usize {
        self.decoder.as_ref().map_or(0, |decoder| decoder.memory())
    }
}

fn decoder(
    request: &impl RequestHead,
    state: &AppState,
) -> Result<Option<Box<dyn Decoder>>, Refusal> {
    let mut named = request.header_values("content-encoding");
    let Some(named) = named.next().map(|first| (first, named.next())) else {
        return Ok(None);
    };
    let name = match named {
        (only, None) => String::from_utf8_lossy(only).trim().to_ascii_lowercase(),
        (_, Some(_)) => String::new(),
    };
    if name == "identity" {
        return Ok(None);
    }
    let codings = state.body_codings.as_ref();
    let decoder = codings.and_then(|codings| codings.decoder(&name));
    if decoder.is_some() {
        return Ok(decoder);
    }
    let detail = match codings {
        Some(codings) => format!(
            "this Content-Encoding is not accepted; use one of {}, or send the body without it",
            codings.names()
        ),
        None => "a compressed body is not accepted; send it uncompressed, without Content-Encoding"
            .to_owned(),
    };
    Err(Refusal::unsupported_media_type(detail))
}

impl<B, E> Stream for Decoded<B>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(decoder) = &mut this.decoder
                && (!this.input.is_empty() || this.is_full && !decoder.is_complete())
            {
                if this.pieces >= PIECES_PER_TURN {
                    this.pieces = 0;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                this.pieces += 1;
                let mut piece = Vec::with_capacity(MAX_PIECE);
                match decoder.decode(&this.input, &mut piece) {
                    Ok(0) if piece.is_empty() => this.input = Bytes::new(),
                    Ok(used) => this.input.advance(used),
                    Err(Malformed) => return Poll::Ready(Some(Err(BodyError::Malformed))),
                }
                this.is_full = piece.len() == piece.capacity();
                if !piece.is_empty() {
                    return Poll::Ready(Some(Ok(piece.into())));
                }
                continue;
            }
            let part = ready!(Pin::new(&mut this.body).poll_next(cx));
            return Poll::Ready(match (part, &this.decoder) {
                (Some(Err(_)), _) => Some(Err(BodyError::Incomplete)),
                (Some(Ok(part)), None) => Some(Ok(part)),
                (Some(Ok(part)), Some(_)) => {
                    this.input = part;
                    this.pieces = 0;
                    continue;
                }
                (None, Some(decoder)) if !decoder.is_complete() => Some(Err(BodyError::Incomplete)),
                (None, _) => None,
            });
        }
    }
}
