//! A server whose responses a test writes, request by request.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use crate::support::{PATIENCE, wait_until};

pub struct Fake {
    pub address: SocketAddr,
    connections: mpsc::Receiver<TcpStream>,
}

pub struct Connection {
    reader: BufReader<TcpStream>,
}

#[derive(Debug)]
pub struct Request {
    pub head: String,
    pub body: String,
}

impl Fake {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (send, connections) = mpsc::channel();
        thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                if send.send(connection).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            connections,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn connection(&self) -> Connection {
        let socket = self
            .connections
            .recv_timeout(PATIENCE)
            .expect("a connection");
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Connection {
            reader: BufReader::new(socket),
        }
    }

    /// The first request of the next connection.
    pub fn request(&self) -> (Connection, Request) {
        let mut connection = self.connection();
        let request = connection.request();
        (connection, request)
    }

    /// Opens the stream that is asked for next, with further lines in the head of the response.
    pub fn stream(&self, head: &str) -> (Connection, Request) {
        let (mut connection, request) = self.request();
        connection.write(&format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n{head}\r\n"
        ));
        (connection, request)
    }

    /// Answers the next request of a connection of its own.
    pub fn response(&self, status: &str, content_type: &str, body: &str) -> Request {
        let (mut connection, request) = self.request();
        connection.response(status, content_type, body);
        request
    }
}

impl Connection {
    pub fn request(&mut self) -> Request {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert_ne!(
                self.reader.read_line(&mut head).unwrap(),
                0,
                "a whole head: {head}"
            );
        }
        let mut request = Request {
            head,
            body: String::new(),
        };
        let length = request
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        let mut body = self.reader.by_ref().take(length);
        body.read_to_string(&mut request.body).unwrap();
        request
    }

    pub fn response(&mut self, status: &str, content_type: &str, body: &str) {
        let length = body.len();
        self.write(&format!(
            "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n{body}"
        ));
    }

    /// A part of an open stream.
    pub fn send(&mut self, text: &str) {
        self.write(&format!("{:x}\r\n{text}\r\n", text.len()));
    }

    fn write(&mut self, text: &str) {
        self.reader.get_mut().write_all(text.as_bytes()).unwrap();
    }

    /// Waits until the client closes it.
    pub fn closes(&mut self) {
        let end = self.reader.read(&mut [0]);
        let in_time = |error: &io::Error| {
            let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
            !late.contains(&error.kind())
        };
        assert!(
            matches!(&end, Ok(0)) || end.as_ref().is_err_and(in_time),
            "{end:?}"
        );
    }

    /// Goes on with a stream until the client closes it.
    pub fn send_until_closed(&mut self, text: &str) {
        let chunk = format!("{:x}\r\n{text}\r\n", text.len());
        let socket = self.reader.get_mut();
        wait_until("the client closes the stream", || {
            socket.write_all(chunk.as_bytes()).is_err()
        });
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    }

    /// The method and what follows it.
    pub fn target(&self) -> &str {
        self.head.split(" HTTP/1.1").next().unwrap()
    }
}
