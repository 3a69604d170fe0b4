//! Ports for what must have the same one again after it was away.

use std::{
    net::{SocketAddr, TcpListener},
    sync::atomic::{AtomicU32, Ordering},
};

/// Below the ports that the kernel gives to outgoing connections and to listeners that ask for any.
const FIRST: u32 = 20_000;
const PORTS: u32 = 12_000;
/// How far apart two processes with successive ids begin, so that they rarely use the same ports.
const APART: u32 = 61;

static USED: AtomicU32 = AtomicU32::new(0);

/// An address of 127.0.0.1 that nobody else gets while nobody listens there.
pub fn free_address() -> SocketAddr {
    let begin = std::process::id().wrapping_mul(APART) % PORTS;
    loop {
        let used = USED.fetch_add(1, Ordering::Relaxed) % PORTS;
        let port = u16::try_from(FIRST + (begin + used) % PORTS).expect("a port");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

pub fn free_port() -> u16 {
    free_address().port()
}
