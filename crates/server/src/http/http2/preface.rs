//! Whether a connection begins to speak HTTP/2 with prior knowledge (RFC 9113, section 3.3).

use tokio::{io::AsyncReadExt, time::timeout};

use crate::http::connection::{
    accepted::Accepted, async_socket::AsyncSocket, settings::HEAD_TIMEOUT,
};

/// What a client sends first.
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Preface {
    Whole,
    /// So far.
    Incomplete,
    /// The connection speaks HTTP/1.
    Other,
}

impl Preface {
    pub(in crate::http) fn of(received: &[u8]) -> Self {
        let (beginning, _) = received.split_at(received.len().min(PREFACE.len()));
        if !PREFACE.starts_with(beginning) {
            Self::Other
        } else if beginning.len() == PREFACE.len() {
            Self::Whole
        } else {
            Self::Incomplete
        }
    }
}

/// Reads until it is known what the connection speaks, for no longer than a head may take. `None` if it has ended.
pub(in crate::http) async fn complete(accepted: Accepted) -> Option<(Preface, Accepted)> {
    let mut received = accepted.received;
    let mut io = AsyncSocket::from_socket(accepted.socket).ok()?;
    let reading = async {
        loop {
            let preface = Preface::of(&received);
            if preface != Preface::Incomplete {
                return Some(preface);
            }
            let mut space = [0; PREFACE.len()];
            match AsyncReadExt::read(&mut io, &mut space).await {
                Ok(0) | Err(_) => return None,
                Ok(read) => received.extend_from_slice(&space[..read]),
            }
        }
    };
    // After the timeout what serves HTTP/1 refuses it.
    let read = timeout(HEAD_TIMEOUT, reading).await;
    let preface = read.unwrap_or(Some(Preface::Incomplete))?;
    let accepted = Accepted {
        socket: io.into_socket().ok()?,
        received,
        ..accepted
    };
    Some((preface, accepted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_speaks_http_2_if_it_begins_with_the_whole_preface() {
        for end in 0..PREFACE.len() {
            assert_eq!(Preface::of(&PREFACE[..end]), Preface::Incomplete);
        }
        let with_settings = [PREFACE, b"\0\0\0\x04"].concat();
        assert_eq!(Preface::of(PREFACE), Preface::Whole);
        assert_eq!(Preface::of(&with_settings), Preface::Whole);
        for other in ["POST /events", "PRI * HTTP/1.1", "GET", "\x16\x03", "pri"] {
            assert_eq!(Preface::of(other.as_bytes()), Preface::Other, "{other}");
        }
    }
}
