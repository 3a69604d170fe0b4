//! What an encrypted connection costs to make, beside nginx with the same certificate, key exchange and cipher.

use std::{
    io::Read as _,
    net::{SocketAddr, TcpStream},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, SupportedProtocolVersion,
    version::{TLS12, TLS13},
};

use crate::{
    Selection, certificate,
    link::Link,
    servers::{Kind, Server},
    table::{Bound, Compared, Row},
};

/// Of one turn. The two servers take turns, since on a busy machine no second is like the next.
const HANDSHAKES: usize = 500;
const TURNS: usize = 6;
const REQUEST: &[u8] = b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// How long a response may take.
const PATIENCE: Duration = Duration::from_secs(20);

pub fn rows(_: &Selection) -> Vec<Row> {
    if !Kind::nchan_is_installed() {
        return Vec::new();
    }
    vec![row("1.3", &TLS13), row("1.2", &TLS12)]
}

/// Full handshakes with one request each, one after the other.
fn row(name: &str, version: &'static SupportedProtocolVersion) -> Row {
    let config = certificate::client_of(version);
    let compared = Compared::pairs(usize::MAX, || {
        let (nginx, ours) = (Kind::NchanTls.start(), Kind::OursTls.start());
        // The first turn, in which much is done for the first time, is not counted.
        let turns = (0..=TURNS).map(|_| (take_turn(&ours, &config), take_turn(&nginx, &config)));
        let (of_ours, of_nginx): (Vec<_>, Vec<_>) = turns.skip(1).unzip();
        let mean = |turns: Vec<f64>| turns.iter().sum::<f64>() / TURNS as f64;
        (mean(of_ours), mean(of_nginx))
    });
    Row::ratio(
        format!("CPU per connection of TLS {name} with one request, of nginx's"),
        Kind::OursTls.name(),
        format!("{:.0} µs; nginx {:.0} µs", compared.own, compared.other),
        compared.ratio,
        Bound::AtMost(1.15),
    )
}

/// Microseconds of CPU for each connection.
fn take_turn(server: &Server, config: &Arc<ClientConfig>) -> f64 {
    let cpu = server.cpu_micros();
    for _ in 0..HANDSHAKES {
        connect(server.address, config);
    }
    (server.cpu_micros() - cpu) / HANDSHAKES as f64
}

fn connect(address: SocketAddr, config: &Arc<ClientConfig>) {
    let socket = TcpStream::connect_timeout(&address, PATIENCE).expect("connected");
    socket.set_nodelay(true).expect("no delay");
    socket.set_read_timeout(Some(PATIENCE)).expect("a bound");
    let mut link = Link::new(socket, Some(config));
    link.send(REQUEST).expect("sent");
    let mut response = Vec::new();
    link.read_to_end(&mut response).expect("a whole response");
    assert!(
        response.starts_with(b"HTTP/1.1 200 "),
        "{}",
        String::from_utf8_lossy(&response)
    );
}
