//! A way to Redis that can be cut: what is sent on it vanishes, both ways or only the replies, and the
//! connections that lost something end when it is whole again.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
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
}

/// How long a slow reply takes.
const SLOWNESS: Duration = Duration::from_millis(30);
/// How often an idle connection looks whether it is to end.
const LOOK: Duration = Duration::from_millis(10);

pub struct Proxy {
    pub address: SocketAddr,
    way: Arc<AtomicU8>,
    has_ended: Arc<AtomicBool>,
}

impl Proxy {
    pub fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let way = Arc::new(AtomicU8::new(Way::Whole as u8));
        let has_ended = Arc::new(AtomicBool::new(false));
        let (shared_way, ended) = (Arc::clone(&way), Arc::clone(&has_ended));
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                if let Ok(server) = TcpStream::connect(to) {
                    join(&client, &server, &shared_way);
                }
            }
        });
        Self {
            address,
            way,
            has_ended,
        }
    }

    pub fn set(&self, way: Way) {
        self.way.store(way as u8, Ordering::SeqCst);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.has_ended.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn join(client: &TcpStream, server: &TcpStream, way: &Arc<AtomicU8>) {
    let has_lost = Arc::new(AtomicBool::new(false));
    for (from, to, vanish) in [
        (client, server, &[Way::Cut][..]),
        (server, client, &[Way::Cut, Way::WithoutReplies][..]),
    ] {
        let pipe = Pipe {
            from: from.try_clone().expect("a socket"),
            to: to.try_clone().expect("a socket"),
            way: Arc::clone(way),
            has_lost: Arc::clone(&has_lost),
            vanish,
            is_reply: std::ptr::eq(from, server),
        };
        thread::spawn(move || pipe.run());
    }
}

struct Pipe {
    from: TcpStream,
    to: TcpStream,
    way: Arc<AtomicU8>,
    has_lost: Arc<AtomicBool>,
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
                    if self.to.write_all(&buffer[..length]).is_err() {
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
}
