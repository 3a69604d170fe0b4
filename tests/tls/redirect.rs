use super::*;
use crate::support::Response;

/// The address of the redirects of a server that logs where it listens.
fn redirecting(args: &[&str]) -> (Server, std::net::SocketAddr) {
    let mut server = https(&[&["--redirect-http", "127.0.0.1:0"], args].concat());
    let line = server.wait_for_log("redirecting to https from ");
    let (_, address) = line.rsplit_once("http://").expect("an address");
    let address = address.trim().parse().unwrap();
    (server, address)
}

fn redirected(address: std::net::SocketAddr, request: &str) -> Response {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    Response::read(socket)
}

#[test]
fn every_request_is_redirected_to_the_same_address_with_https() {
    let (server, address) = redirecting(&[]);
    let port = server.address.port();
    for (request, location) in [
        (
            "GET /events?topic=a%20b HTTP/1.1\r\nHost: localhost:80\r\n\r\n",
            "localhost:PORT/events?topic=a%20b",
        ),
        (
            "POST /events HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\nx",
            "a.example:PORT/events",
        ),
        ("GET / HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n", "[::1]:PORT/"),
        (
            "GET /ws HTTP/1.1\r\nHost: a.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "a.example:PORT/ws",
        ),
        (
            "OPTIONS * HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "a.example:PORT/",
        ),
        (
            "GET http://b.example/b?c HTTP/1.1\r\nHost: a.example\r\n\r\n",
            "b.example:PORT/b?c",
        ),
    ] {
        let response = redirected(address, request);
        assert_eq!(response.status, 308, "{request}");
        let expected = format!("https://{}", location.replace("PORT", &port.to_string()));
        assert_eq!(response.header("location"), Some(&*expected));
    }
    for host in ["Host: a b\r\n", "Host: user@a.example\r\n", "Host: :80\r\n"] {
        let response = redirected(address, &format!("GET / HTTP/1.1\r\n{host}\r\n"));
        assert_eq!(
            (response.status, &*response.code()),
            (403, "foreign_host"),
            "{host}"
        );
    }
}

#[test]
fn the_port_of_redirects_can_be_another_than_that_of_the_server() {
    let (_server, address) = redirecting(&["--redirect-port", "443"]);
    let response = redirected(address, "GET /a HTTP/1.1\r\nHost: a.example:80\r\n\r\n");
    assert_eq!(response.header("location"), Some("https://a.example/a"));
}
