//! Compressed streams and bodies in an application of actix-web and of axum.

use std::{io::Write as _, net::TcpStream, sync::Arc};

use flate2::{Compression, write::GzEncoder};
use sse_broadcaster_actix::{Access, AppState, Publishers};
use sse_broadcaster_compression::{Compress, Compression as Codings, Decompression};

use super::server::Server;
use crate::support::{PATIENCE, Response, Stream};

fn compressed(state: AppState) -> AppState {
    state
        .access(Access::default().publishers(Publishers::Anyone))
        .codings(Arc::new(Codings::new(Compress::Auto)))
        .body_codings(Arc::new(Decompression::default()))
}

fn plain(state: AppState) -> AppState {
    state.access(Access::default().publishers(Publishers::Anyone))
}

fn send(server: &Server, head: &str, body: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(
        socket,
        "{head}host: localhost\r\ncontent-length: {}\r\n\r\n",
        body.len()
    )
    .unwrap();
    socket.write_all(body).unwrap();
    socket
}

#[test]
fn an_application_compresses_streams_and_takes_compressed_bodies_if_it_is_told_to() {
    let text = "long enough to be compressed ".repeat(20);
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let subscribe = "GET /api/events HTTP/1.1\r\naccept-encoding: gzip\r\n";
    let publish = "POST /api/events HTTP/1.1\r\nconnection: close\r\ncontent-type: text/plain\r\n\
                   content-encoding: gzip\r\n";
    for server in [Server::actix(compressed), Server::axum(compressed)] {
        let mut stream = Stream::open(send(&server, subscribe, b""));
        assert_eq!(stream.header("content-encoding"), Some("gzip"));
        assert_eq!(Response::read(send(&server, publish, &body)).status, 200);
        assert_eq!(stream.event().unwrap().data, text);
    }
    for server in [Server::actix(plain), Server::axum(plain)] {
        let stream = Stream::open(send(&server, subscribe, b""));
        assert_eq!(stream.header("content-encoding"), Some("identity"));
        assert_eq!(Response::read(send(&server, publish, &body)).status, 415);
    }
}
