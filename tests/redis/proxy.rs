//! A way to Redis that can be cut: what is sent on it vanishes, both ways or only the replies, and the
//! connections that lost something end when it is whole again. It can lead elsewhere, too, and then keeps
//! the sessions that it has until each is severed.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Way {
    Whole,
    Cut,
    WithoutReplies,
    /// Replies come late.
    Slow,
    /// What is refused in a script is worded as before Redis 7.
    AsRedis6,
}

/// How long a slow reply takes.
const SLOWNESS: Duration = Duration::from_millis(30);
/// How often an idle connection looks whether it is to end.
const LOOK: Duration = Duration::from_millis(10);

pub struct Proxy {
    pub address: SocketAddr,
    to: Arc<Mutex<SocketAddr>>,
    way: Arc<AtomicU8>,
    sessions: Arc<Mutex<Vec<Session>>>,
    has_ended: Arc<AtomicBool>,
}

struct Session {
    client: TcpStream,
    /// It follows the log.
    is_tail: Arc<AtomicBool>,
}

impl Proxy {
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let proxy = Self {
            address: listener.local_addr().expect("an address"),
            to: Arc::new(Mutex::new(to)),
            way: Arc::new(AtomicU8::new(Way::Whole as u8)),
            sessions: Arc::default(),
            has_ended: Arc::default(),
        };
        let (to, way, sessions, ended) = (
            Arc::clone(&proxy.to),
            Arc::clone(&proxy.way),
            Arc::clone(&proxy.sessions),
            Arc::clone(&proxy.has_ended),
        );
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let to = *to.lock().unwrap();
                if let Ok(server) = TcpStream::connect(to) {
                    let session = join(client, &server, &way);
                    sessions.lock().unwrap().push(session);
                }
            }
        });
        proxy
    }

    pub fn set(&self, way: Way) {
        self.way.store(way as u8, Ordering::SeqCst);
    }

    /// New connections lead there; those that are open stay where they are.
    pub fn redirect(&self, to: SocketAddr) {
        *self.to.lock().unwrap() = to;
    }

    /// Ends the session that follows the log, or those that do not.
    pub fn sever(&self, is_tail: bool) {
        let sessions = std::mem::take(&mut *self.sessions.lock().unwrap());
        let (ended, kept): (Vec<_>, Vec<_>) = sessions
            .into_iter()
            .partition(|session| session.is_tail.load(Ordering::SeqCst) == is_tail);
        self.sessions.lock().unwrap().extend(kept);
        for session in ended {
            let _ = session.client.shutdown(Shutdown::Both);
        }
    }

    /// Ends one of the sessions that are open now, by a number that may be any.
    pub fn sever_one(&self, number: usize) {
        let sessions = self.sessions.lock().unwrap();
        if let Some(session) = sessions.get(number % sessions.len().max(1)) {
            let _ = session.client.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn join(client: TcpStream, server: &TcpStream, way: &Arc<AtomicU8>) -> Session {
    let has_lost = Arc::new(AtomicBool::new(false));
    let is_tail = Arc::new(AtomicBool::new(false));
    for (from, to, vanish, is_reply) in [
        (&client, server, &[Way::Cut][..], false),
        (server, &client, &[Way::Cut, Way::WithoutReplies][..], true),
    ] {
        let pipe = Pipe {
            from: from.try_clone().expect("a socket"),
            to: to.try_clone().expect("a socket"),
            way: Arc::clone(way),
            has_lost: Arc::clone(&has_lost),
            is_tail: Arc::clone(&is_tail),
            vanish,
            is_reply,
        };
        thread::spawn(move || pipe.run());
    }
    Session { client, is_tail }
}

struct Pipe {
    from: TcpStream,
    to: TcpStream,
    way: Arc<AtomicU8>,
    has_lost: Arc<AtomicBool>,
    is_tail: Arc<AtomicBool>,
    vanish: &'static [Way],
    is_reply: bool,
}

impl Pipe {
    fn run(mut self) {
        let _ = self.from.set_read_timeout(Some(LOOK));
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = self.from.read(&mut buffer);
            let way = self.way.load(Ordering::SeqCst);
            let is = |known: &Way| *known as u8 == way;
            let vanishes = self.vanish.iter().any(is);
            match read {
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Ok(0) | Err(_) => break,
                Ok(_) if vanishes => self.has_lost.store(true, Ordering::SeqCst),
                Ok(_) if self.has_lost.load(Ordering::SeqCst) && is(&Way::Whole) => break,
                Ok(length) => {
                    if self.is_reply && is(&Way::Slow) {
                        thread::sleep(SLOWNESS);
                    }
                    let sent = self.pass(&buffer[..length], is(&Way::AsRedis6));
                    if sent.is_err() {
                        break;
                    }
                }
            }
            if self.has_lost.load(Ordering::SeqCst) && is(&Way::Whole) {
                break;
            }
        }
        let _ = self.from.shutdown(Shutdown::Both);
        let _ = self.to.shutdown(Shutdown::Both);
    }
    fn pass(&mut self, bytes: &[u8], is_old: bool) -> std::io::Result<()> {
        // By what Redis and PostgreSQL are asked only there.
        let follows = |word: &[u8]| bytes.windows(word.len()).any(|part| part == word);
        if !self.is_reply && (follows(b"XREAD") || follows(b"LISTEN ")) {
            self.is_tail.store(true, Ordering::SeqCst);
        }
        if self.is_reply && is_old {
            return self.to.write_all(&as_redis_6(bytes));
        }
        self.to.write_all(bytes)
    }
}

/// As Redis 6 passes on what was refused in a script; the text is that of 6.2.14.
fn as_redis_6(reply: &[u8]) -> Vec<u8> {
    let is_refusal = [&b"-READONLY "[..], b"-OOM ", b"-NOREPLICAS ", b"-MISCONF "]
        .iter()
        .any(|code| reply.starts_with(code));
    if !is_refusal {
        return reply.to_vec();
    }
    let prefix = b"-ERR Error running script (call to f_7e1): @user_script:9: @user_script: 9: ";
    [prefix, reply].concat()
}
