//! How requests begin that are recognized before a parser has read them, below the base path.

use std::sync::Arc;

use sse_broadcaster_http::BasePath;
use sse_broadcaster_mercure::HUB_PATH;

/// The beginnings of requests. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Paths(Arc<Beginnings>);

#[derive(Debug)]
struct Beginnings {
    base: BasePath,
    streams: [Box<[u8]>; 3],
    publish: Box<[u8]>,
    handshake: Box<[u8]>,
}

impl Paths {
    pub(crate) fn below(base: &BasePath) -> Self {
        let begin = |method, path| format!("{method} {base}{path}").into_bytes().into();
        Self(Arc::new(Beginnings {
            base: base.clone(),
            streams: ["/events", "/signals", HUB_PATH].map(|path| begin("GET", path)),
            publish: begin("POST", "/events"),
            handshake: begin("GET", "/ws"),
        }))
    }

    pub(crate) fn base(&self) -> &BasePath {
        &self.0.base
    }

    /// Of requests for a stream.
    pub(crate) fn streams(&self) -> impl Iterator<Item = &[u8]> {
        self.0.streams.iter().map(|begin| &**begin)
    }

    /// Of requests to publish.
    pub(crate) fn publish(&self) -> &[u8] {
        &self.0.publish
    }

    /// Of the handshake of a WebSocket.
    pub(crate) fn handshake(&self) -> &[u8] {
        &self.0.handshake
    }
}

impl Default for Paths {
    fn default() -> Self {
        Self::below(&BasePath::default())
    }
}
