//! The head of a request, whatever framework has parsed it.

use std::net::IpAddr;

use http::Version;

/// What routes and rules read of the head of a request. Each framework's crate implements it on its own type.
pub trait RequestHead {
    /// In upper case, for example `POST`.
    fn method(&self) -> &str;

    /// Of HTTP, as the request has it.
    fn version(&self) -> Version;

    /// What follows `?` in the target, as it was sent; empty where there is none.
    fn query(&self) -> &str;

    /// The address of the other end of the connection, where that is known.
    fn peer_ip(&self) -> Option<IpAddr>;

    /// The value of the first header of this name, which is in lower case.
    fn header(&self, name: &str) -> Option<&[u8]>;

    /// The values of all headers of this name, in order.
    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]>;

    /// The names of all headers, in lower case.
    fn header_names(&self) -> impl Iterator<Item = &str>;

    /// Called with `true` before the write to history, and with `false` after it: a client that goes away meanwhile does not undo it.
    fn set_committing(&self, _committing: bool) {}

    /// As [`header`](Self::header); a value with other bytes than visible ASCII is an empty one.
    fn header_text(&self, name: &str) -> Option<&str> {
        self.header(name).map(visible_text)
    }
}

/// A header's value as text; an empty one where it has other bytes than visible ASCII, spaces and tabs.
pub(crate) fn visible_text(value: &[u8]) -> &str {
    let is_visible = |byte: &u8| *byte == b'\t' || (b' '..=b'~').contains(byte);
    let text = std::str::from_utf8(value).ok();
    text.filter(|_| value.iter().all(is_visible)).unwrap_or("")
}
