//! The head of a request, independent of the framework that parsed it.

use std::net::IpAddr;

use http::Version;

/// What the routes read of a request's head. The crate of each framework implements it for a type of its own.
pub trait RequestHead {
    /// The method in upper case, for example `POST`.
    fn method(&self) -> &str;

    /// The version of HTTP.
    fn version(&self) -> Version;

    /// The query as it was sent, without the `?`; empty without one.
    fn query(&self) -> &str;

    /// The address of the other end of the connection: a client or a proxy. `None` for a Unix socket.
    /// [`AppState::client_ip`](crate::AppState::client_ip) is the client's.
    fn peer_ip(&self) -> Option<IpAddr>;

    /// The value of the first header of this name, which is given in lower case.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// The values of all headers of this name, in order. The name is given in lower case.
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The names of all headers, in lower case.
    fn header_names(&self) -> impl Iterator<Item = &str>;

    /// Called with `true` before a write to history and with `false` after it. A server must not drop the response in
    /// between, even if the client disconnects: the write would not be undone.
    fn set_committing(&self, _committing: bool) {}

    /// As [`header`](Self::header), as text; empty for a value that has other bytes than visible ASCII, spaces
    /// and tabs.
    fn header_text(&self, name: &str) -> Option<&str> {
        self.header(name).map(visible_text)
    }
}

/// The value of a header as text; empty if it has other bytes than visible ASCII, spaces and tabs.
pub(crate) fn visible_text(value: &[u8]) -> &str {
    let is_visible = |byte: &u8| *byte == b'\t' || (b' '..=b'~').contains(byte);
    let text = std::str::from_utf8(value).ok();
    text.filter(|_| value.iter().all(is_visible)).unwrap_or("")
}
