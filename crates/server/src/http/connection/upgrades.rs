//! Upgrades to other protocols, which the server ignores (RFC 9110, section 7.8) except for a WebSocket at `/ws`. For
//! actix an upgrade is the last request of its connection, and one to a WebSocket makes everything after the head its
//! body. So the headers of an upgrade are overwritten before actix parses them.

/// The headers of an upgrade, and the word of each that makes it one.
const CONNECTION: Field = Field {
    name: b"connection:",
    word: b"upgrade",
};
const UPGRADE: Field = Field {
    name: b"upgrade:",
    word: b"websocket",
};
/// Overwrites the last byte of such a word.
const OVERWRITTEN: u8 = b'_';

#[derive(Debug, Clone, Copy)]
struct Field {
    name: &'static [u8],
    /// Its first letter occurs only once in it: after a mismatch a match can only begin at the current byte.
    word: &'static [u8],
}

/// Finds the upgrade in the head of one request, which may arrive in parts.
#[derive(Debug, Default)]
pub(crate) struct Upgrades(Position);

/// The position in the head.
#[derive(Debug)]
enum Position {
    /// In the request line, whose first bytes, so many, are those of the handshake.
    Request(usize),
    LineBegin,
    Name(Field, usize),
    Value(Field, usize),
    /// In the rest of a line without an upgrade.
    Line,
    /// In the handshake of a WebSocket, which is left alone.
    Handshake,
}

impl Default for Position {
    fn default() -> Self {
        Self::Request(0)
    }
}

impl Upgrades {
    /// Overwrites upgrades in the next bytes of the head. The upgrade of a request that begins with `handshake` is not
    /// ignored.
    pub(crate) fn ignore(&mut self, mut bytes: &mut [u8], handshake: &[u8]) {
        while !bytes.is_empty() {
            match self.0 {
                Position::Handshake => return,
                Position::Line => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        return;
                    };
                    bytes = &mut bytes[end..];
                }
                _ => {}
            }
            if let [byte, rest @ ..] = bytes {
                self.0 = self.0.with(byte, handshake);
                bytes = rest;
            }
        }
    }
}

impl Position {
    fn with(&self, byte: &mut u8, handshake: &[u8]) -> Self {
        let lower = byte.to_ascii_lowercase();
        match (self, lower) {
            // Blank lines may precede the request line.
            (Self::Request(0), b'\r' | b'\n') => Self::Request(0),
            (_, b'\n') => Self::LineBegin,
            (Self::Request(matched), _) => match handshake.get(*matched) {
                Some(expected) if expected == byte => Self::Request(matched + 1),
                None if matches!(byte, b' ' | b'?') => Self::Handshake,
                _ => Self::Line,
            },
            (Self::LineBegin, b'c') => Self::Name(CONNECTION, 1),
            (Self::LineBegin, b'u') => Self::Name(UPGRADE, 1),
            (Self::Name(field, matched), _) if field.name[*matched] == lower => match matched + 1 {
                whole if whole == field.name.len() => Self::Value(*field, 0),
                more => Self::Name(*field, more),
            },
            (Self::Value(field, matched), _) if field.word[*matched] == lower => {
                match matched + 1 {
                    whole if whole == field.word.len() => {
                        *byte = OVERWRITTEN;
                        Self::Value(*field, 0)
                    }
                    more => Self::Value(*field, more),
                }
            }
            (Self::Value(field, _), first) => {
                Self::Value(*field, usize::from(field.word[0] == first))
            }
            _ => Self::Line,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: &[u8] = b"GET /ws";

    /// The head as actix parses it, whatever parts it arrives in.
    fn ignored(head: &str) -> String {
        let in_pieces = |size| {
            let (mut upgrades, mut head) = (Upgrades::default(), head.as_bytes().to_vec());
            head.chunks_mut(size)
                .for_each(|piece| upgrades.ignore(piece, HANDSHAKE));
            String::from_utf8(head).unwrap()
        };
        let whole = in_pieces(head.len());
        assert!((1..20).all(|size| in_pieces(size) == whole));
        whole
    }

    #[test]
    fn upgrades_to_other_protocols_are_overwritten() {
        for (head, read) in [
            (
                "POST /events HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
                "POST /events HTTP/1.1\r\nConnection: Upgrad_, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n",
            ),
            (
                "\r\nPOST / HTTP/1.1\nupgrade:wwebSocket\nCONNECTION:close,uupgrade\n\n",
                "\r\nPOST / HTTP/1.1\nupgrade:wwebSocke_\nCONNECTION:close,uupgrad_\n\n",
            ),
            (
                "GET /wsx HTTP/1.1\r\nUpgrade: websocket\r\n\r\n",
                "GET /wsx HTTP/1.1\r\nUpgrade: websocke_\r\n\r\n",
            ),
            (
                "POST /ws HTTP/1.1\r\nConnection: keep-alive\r\nConnection: upgrade\r\n\r\n",
                "POST /ws HTTP/1.1\r\nConnection: keep-alive\r\nConnection: upgrad_\r\n\r\n",
            ),
        ] {
            assert_eq!(ignored(head), read);
        }
    }

    #[test]
    fn the_handshake_of_a_websocket_and_all_other_headers_stay_as_they_are() {
        for head in [
            "GET /ws HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "GET /ws?topic=a HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
            "GET /upgrade HTTP/1.1\r\nX-Connection: upgrade\r\nCookie: connection: upgrade\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: keep-alive, up, grade\r\nConnections: upgrade\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade-Insecure-Requests: websocket\r\nConnection: close\r\n\r\n",
        ] {
            assert_eq!(ignored(head), head);
        }
    }
}
