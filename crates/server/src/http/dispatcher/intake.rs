//! Finds the end of each request, so that the dispatcher gets the next request only once the response has been
//! sent. A dispatcher parses everything that it gets, and keeps a request and a buffer for the response for
//! each.

use super::{
    body::{Body, Chunks},
    head::Head,
};
use crate::http::connection::paths::Paths;
use sse_broadcaster_actix::internal::Framing;

/// How much of the current request has been handed over.
#[derive(Debug)]
pub(super) struct Intake {
    stage: Stage,
    paths: Paths,
    is_first: bool,
}

#[derive(Debug)]
enum Stage {
    Head(Head),
    /// The whole head was handed over. The framing of the body is known once the dispatcher has parsed it.
    Decoding,
    Body(Body),
    /// The whole request was handed over, and its response has not been sent.
    Responding,
    /// There are no further requests, as after the handshake of a WebSocket.
    Open,
}

impl Intake {
    pub(super) fn new(paths: Paths) -> Self {
        Self {
            stage: Stage::Head(Head::default()),
            paths,
            is_first: true,
        }
    }

    /// How many of these bytes the dispatcher may have now. They count as handed over, and upgrades to other
    /// protocols in them are overwritten.
    pub(super) fn admit(&mut self, bytes: &mut [u8]) -> usize {
        match &mut self.stage {
            Stage::Head(head) => {
                let end = head.end_in(bytes);
                let admitted = end.unwrap_or(bytes.len());
                head.upgrades
                    .ignore(&mut bytes[..admitted], self.paths.handshake());
                if end.is_some() {
                    self.stage = Stage::Decoding;
                }
                admitted
            }
            Stage::Body(body) => {
                let admitted = body.consume(bytes);
                if body.is_over() {
                    self.stage = Stage::Responding;
                }
                admitted
            }
            Stage::Decoding | Stage::Responding => 0,
            Stage::Open => bytes.len(),
        }
    }

    /// Whether nothing may be handed over for now.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.stage, Stage::Decoding | Stage::Responding)
    }

    /// Whether the dispatcher has not parsed the head yet.
    pub(super) fn is_decoding(&self) -> bool {
        matches!(self.stage, Stage::Decoding)
    }

    /// The dispatcher has parsed the head of the request.
    pub(super) fn begin(&mut self, framing: Framing) {
        self.stage = match framing {
            Framing::Length(0) => Stage::Responding,
            Framing::Length(bytes) => Stage::Body(Body::Length(bytes)),
            Framing::Chunked => Stage::Body(Body::Chunked(Chunks::default())),
            Framing::UntilClose => Stage::Open,
        };
    }

    /// All responses so far have been sent. True if this ends a request.
    pub(super) fn has_responded(&mut self) -> bool {
        let ends = matches!(self.stage, Stage::Responding);
        if ends {
            self.stage = Stage::Head(Head::default());
            self.is_first = false;
        }
        ends
    }

    /// Whether no request has been parsed since the last response was sent.
    pub(super) fn is_within_head(&self) -> bool {
        matches!(self.stage, Stage::Head(_) | Stage::Decoding)
    }

    /// Whether a part of the head of a further request, not the connection's first, has arrived.
    pub(super) fn is_within_further_head(&self) -> bool {
        matches!(&self.stage, Stage::Head(head) if !self.is_first && head.has_begun)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The requests into which the bytes are split, whatever parts they arrive in.
    fn requests(bytes: &[u8], framings: &[Framing]) -> Vec<String> {
        let in_pieces = |size: usize| {
            let (mut intake, mut framings) = (Intake::new(Paths::default()), framings.iter());
            let (mut all, mut request) = (Vec::new(), Vec::new());
            for piece in bytes.chunks(size) {
                let mut piece = piece.to_vec();
                let mut rest = &mut piece[..];
                while !rest.is_empty() {
                    let admitted = intake.admit(rest);
                    request.extend_from_slice(&rest[..admitted]);
                    rest = &mut rest[admitted..];
                    if intake.is_decoding() {
                        intake.begin(*framings.next().expect("another request"));
                    }
                    if intake.has_responded() {
                        let whole = std::mem::take(&mut request);
                        all.push(String::from_utf8(whole).unwrap());
                    }
                }
            }
            assert!(request.is_empty(), "{request:?} is left");
            all
        };
        let whole = in_pieces(bytes.len());
        assert!((1..40).all(|size| in_pieces(size) == whole));
        whole
    }

    #[test]
    fn the_end_of_each_request_is_found_whatever_parts_it_arrives_in() {
        let chunked = "POST /c HTTP/1.1\r\n\r\n\
                       4;a=\"\n\"\r\n\r\n\r\n\r\n0A\r\n0123456789\r\n0\r\nX: y\r\n\r\n";
        let all = [
            "GET /a HTTP/1.1\r\nHost: x\r\n\r\n",
            "\r\n\r\nGET /b HTTP/1.1\nHost: x\n\n",
            "POST /b HTTP/1.1\r\n\r\n\r\n\r\nGET",
            "PUT /c HTTP/1.1\r\n\r\n0\r\n\r\n",
            chunked,
            "GET /d HTTP/1.1\r\n\r\n",
        ];
        // A quoted line feed is not allowed, and ends the line.
        let all = all.map(|request| request.replace("\"\n\"", "b"));
        let framings = [
            Framing::Length(0),
            Framing::Length(0),
            Framing::Length(7),
            Framing::Chunked,
            Framing::Chunked,
            Framing::Length(0),
        ];
        assert_eq!(requests(all.concat().as_bytes(), &framings), all);
    }

    #[test]
    fn nothing_is_admitted_after_a_request_until_its_response_has_been_sent() {
        let mut intake = Intake::new(Paths::default());
        let request = b"GET / HTTP/1.1\r\n\r\n";
        assert_eq!(intake.admit(&mut request.repeat(3)), request.len());
        assert!(intake.is_closed() && !intake.has_responded());
        intake.begin(Framing::Length(0));
        assert_eq!(intake.admit(&mut request.clone()), 0);
        assert!(intake.has_responded() && !intake.is_within_further_head());
        assert_eq!(intake.admit(&mut b"GE".clone()), 2);
        assert!(intake.is_within_further_head());
    }

    #[test]
    fn after_a_handshake_everything_is_admitted() {
        let mut intake = Intake::new(Paths::default());
        intake.admit(&mut b"GET /ws HTTP/1.1\r\n\r\n".clone());
        intake.begin(Framing::UntilClose);
        assert_eq!(intake.admit(&mut b"\r\n\r\n\r\n\r\n".clone()), 8);
        assert!(!intake.has_responded());
    }
}
