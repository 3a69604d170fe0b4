//! Offers to go on in another protocol, which this server does not take but for a WebSocket at `/ws`. To
//! actix an offer is the end of the connection, and one of a WebSocket also makes all that follows the
//! request's body. So they are made illegible before it reads them (RFC 9110, section 7.8: a server may
//! ignore them).

/// How the one request begins whose offer is taken.
const HANDSHAKE: &[u8] = b"GET /ws";
/// The fields of an offer, and the word in each without which it is none.
const CONNECTION: Field = Field {
    name: b"connection:",
    word: b"upgrade",
};
const UPGRADE: Field = Field {
    name: b"upgrade:",
    word: b"websocket",
};
/// In place of a word's last byte.
const ILLEGIBLE: u8 = b'_';

#[derive(Debug, Clone, Copy)]
struct Field {
    name: &'static [u8],
    /// Its first letter comes once in it.
    word: &'static [u8],
}

/// Looks for the offers of one request's head.
#[derive(Debug, Default)]
pub(crate) struct Offers(Within);

#[derive(Debug)]
enum Within {
    /// The request line, so many bytes of which are a handshake's.
    Request(usize),
    LineBegin,
    Name(Field, usize),
    Value(Field, usize),
    /// The rest of a line, in which nothing is looked for.
    Line,
    /// The rest of a handshake, likewise.
    Handshake,
}

impl Default for Within {
    fn default() -> Self {
        Self::Request(0)
    }
}

impl Offers {
    /// Goes on with these bytes of the head.
    pub(crate) fn ignore(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            match self.0 {
                Within::Handshake => return,
                Within::Line => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        return;
                    };
                    bytes = &mut bytes[end..];
                }
                _ => {}
            }
            if let [byte, rest @ ..] = bytes {
                self.0 = self.0.with(byte);
                bytes = rest;
            }
        }
    }
}

impl Within {
    fn with(&self, byte: &mut u8) -> Self {
        let lower = byte.to_ascii_lowercase();
        match (self, lower) {
            // Blank lines may precede it.
            (Self::Request(0), b'\r' | b'\n') => Self::Request(0),
            (_, b'\n') => Self::LineBegin,
            (Self::Request(matched), _) => match HANDSHAKE.get(*matched) {
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
                        *byte = ILLEGIBLE;
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

    /// The head as actix reads it, however it was cut.
    fn ignored(head: &str) -> String {
        let in_pieces = |size| {
            let (mut offers, mut head) = (Offers::default(), head.as_bytes().to_vec());
            head.chunks_mut(size).for_each(|piece| offers.ignore(piece));
            String::from_utf8(head).unwrap()
        };
        let whole = in_pieces(head.len());
        assert!((1..20).all(|size| in_pieces(size) == whole));
        whole
    }

    #[test]
    fn offers_of_other_protocols_are_made_illegible() {
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
    fn the_handshake_of_a_websocket_and_all_else_stay_as_they_are() {
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
