use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};

use super::*;

/// Answers each connection with one text, and tells the head of each request.
fn server(answer: impl Fn(&mut TcpStream) + Send + 'static) -> (HttpUrl, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks.json?a=b", listener.local_addr().unwrap());
    let (sender, heads) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(10) {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<_> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            if sender.send(head.join("\n")).is_err() {
                break;
            }
            answer(&mut stream);
        }
    });
    (HttpUrl::parse(&url).unwrap(), heads)
}

fn request(url: &HttpUrl) -> Request {
    Request {
        url: url.clone(),
        headers: vec![("cookie".to_owned(), "a=1".to_owned())],
        timeout: Duration::from_millis(500),
        max_bytes: 1_000,
        body: None,
    }
}

fn text(answer: &str) -> impl Fn(&mut TcpStream) + Send + 'static {
    let answer = answer.to_owned();
    move |stream| {
        let _ = stream.write_all(answer.as_bytes());
    }
}

#[test]
fn a_request_has_its_headers_and_a_response_any_status() {
    let (url, heads) = server(text(
        "HTTP/1.1 401 x\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno",
    ));
    let response = HttpTransport::default().send(&request(&url)).unwrap();
    assert_eq!((response.status, response.body), (401, b"no".to_vec()));
    let head = heads.recv().unwrap();
    assert!(head.starts_with("GET /jwks.json?a=b HTTP/1.1"), "{head}");
    assert!(head.contains("cookie: a=1"), "{head}");
}

#[test]
fn a_redirect_is_not_followed() {
    let (other, heads) = server(text("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    let answer = format!(
        "HTTP/1.1 302 x\r\nlocation: {}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
        other.as_str()
    );
    let (url, _heads) = server(text(&answer));
    let response = HttpTransport::default().send(&request(&url)).unwrap();
    assert_eq!(response.status, 302);
    assert!(heads.try_recv().is_err());
}

#[test]
fn a_response_is_bounded_in_bytes_and_in_time() {
    let (url, _heads) = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n");
        for _ in 0..1_000 {
            if stream.write_all(&[b'a'; 1_000]).is_err() {
                break;
            }
        }
    });
    assert!(HttpTransport::default().send(&request(&url)).is_err());
    let (url, _heads) = server(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n");
        for _ in 0..50 {
            std::thread::sleep(Duration::from_millis(100));
            if stream.write_all(b"a").is_err() {
                break;
            }
        }
    });
    let started = Instant::now();
    assert!(HttpTransport::default().send(&request(&url)).is_err());
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "not as long as it drips"
    );
}

#[test]
fn only_http_urls_are_urls_and_their_passwords_do_not_show() {
    for bad in [
        "",
        "/a",
        "file:///etc/passwd",
        "ftp://a/b",
        "data:a",
        "javascript:1",
        "https://",
        "login.example.com",
    ] {
        assert!(HttpUrl::parse(bad).is_err(), "{bad}");
    }
    let url =
        HttpUrl::parse("https://user:secret@login.example.com:8443/jwks?token=secret").unwrap();
    assert_eq!(
        format!("{url} {url:?}"),
        "https://login.example.com:8443/jwks https://login.example.com:8443/jwks"
    );
    assert!(HttpUrl::parse("http://[::1]:80/").unwrap().is_local());
    assert!(!HttpUrl::parse("http://10.0.0.1/").unwrap().is_local());
}
