//! HTTPS of the program itself: certificates, handshakes, redirects. That streams and requests work over it as without is
//! covered by the other suites, with `TEST_STREAMS=encrypted`.

mod acme;
mod certificates;
mod handshakes;
mod http2;
mod redirect;

use std::{
    fmt::Debug,
    io::{Read as _, Write as _},
    net::TcpStream,
    str::FromStr,
    sync::Arc,
};

use rustls::{ClientConfig, ClientConnection, StreamOwned, pki_types::ServerName};

use crate::support::{PATIENCE, Server, tunnel::Identity};

/// A server of HTTPS with the certificate of the tests.
fn https(args: &[&str]) -> Server {
    let own = Identity::get().arguments();
    let own: Vec<_> = own.iter().map(String::as_str).collect();
    Server::spawn(crate::support::command(
        &[&["--listen", "127.0.0.1:0"], &own[..], args].concat(),
    ))
}

type Client = StreamOwned<ClientConnection, TcpStream>;

/// Connects, asking for this name.
fn connect_as(server: &Server, config: &Arc<ClientConfig>, name: &str) -> Client {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = ClientConnection::new(Arc::clone(config), name).unwrap();
    let socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    StreamOwned::new(client, socket)
}

fn connect(server: &Server) -> Client {
    connect_as(server, Identity::get().config(), "localhost")
}

/// The whole response to a request with these lines before the blank one.
fn request(mut client: Client, head: &str, body: &str) -> String {
    let length = body.len();
    let head = head.replace('\n', "\r\n");
    write!(
        client,
        "{head}\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut response = String::new();
    client
        .read_to_string(&mut response)
        .expect("it ends as announced");
    response
}

/// Reads until this text has arrived.
fn read_until(client: &mut Client, end: &str) {
    let (mut text, mut space) = (String::new(), [0; 4096]);
    while !text.contains(end) {
        let read = client.read(&mut space).unwrap();
        assert_ne!(read, 0, "the stream ended after {text}");
        text.push_str(std::str::from_utf8(&space[..read]).unwrap());
    }
}

fn metric<T: FromStr<Err: Debug>>(server: &Server, name: &str) -> T {
    let metrics = request(connect(server), "GET /metrics HTTP/1.1", "");
    let line = metrics.lines().find_map(|line| line.strip_prefix(name));
    line.expect(name).trim().parse().unwrap()
}

fn handshakes(server: &Server, outcome: &str) -> usize {
    let name = format!("sse_broadcaster_tls_handshakes_total{{outcome=\"{outcome}\"}}");
    metric(server, &name)
}
