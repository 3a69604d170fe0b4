//! Tokens, and a program that answers every request: an application, or a server of keys.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use sse_broadcaster_access::mint::{NewToken, SigningKey};

/// What servers of these tests verify tokens with.
pub const SECRET: &str = "HS256 0123456789abcdef0123456789abcdef";
pub const OTHER_SECRET: &str = "HS256 fedcba9876543210fedcba9876543210";

/// A token with these claims, for an hour, by [`SECRET`].
pub fn token(claims: &Value) -> String {
    token_by(SECRET, claims)
}

/// The same by another key.
pub fn token_by(key: &str, claims: &Value) -> String {
    let new = NewToken::new(claims).unwrap();
    let new = new.lifetime(Duration::from_secs(3_600));
    new.create(&SigningKey::parse(key).unwrap()).unwrap()
}

/// The header with a token.
pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

type Answers = dyn Fn(&str) -> (u16, String) + Send + Sync;

/// A program that answers each request, given its head, and keeps the heads.
pub struct Application {
    pub address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Application {
    /// Runs until the tests end.
    pub fn start(answer: impl Fn(&str) -> (u16, String) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let (kept, answer): (_, Arc<Answers>) = (Arc::clone(&heads), Arc::new(answer));
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                std::thread::spawn(move || respond(&socket, &kept, &*answer));
            }
        });
        Self { address, heads }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn respond(socket: &TcpStream, heads: &Mutex<Vec<String>>, answer: &Answers) {
    let mut head = String::new();
    let mut reader = BufReader::new(socket.take(64 << 10));
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    let (status, body) = answer(&head);
    heads.lock().unwrap().push(head);
    let length = body.len();
    let _ = (&*socket).write_all(
        format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        )
        .as_bytes(),
    );
}
