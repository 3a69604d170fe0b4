//! What the kernel is told about a connection's socket, and asked of it.

use std::{os::fd::AsFd, time::Duration};

use socket2::SockRef;
use tokio::net::TcpStream;

/// Small writes leave at once, a stalled reader pins little in the kernel, and a peer that vanished
/// is noticed in time rather than after the quarter of an hour that retransmissions take.
pub(super) fn configure(socket: &TcpStream, buffer_bytes: usize, user_timeout: Duration) {
    let socket = SockRef::from(socket);
    // None of these is needed for the connection to work, so a kernel that refuses one is let be.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(user_timeout));
    if buffer_bytes > 0 {
        let _ = socket.set_send_buffer_size(buffer_bytes);
    }
}

/// Has the close that follows be a reset.
pub(super) fn reset_on_close(socket: &impl AsFd) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// How many bytes the peer has not acknowledged yet.
pub(super) fn unacknowledged(socket: impl AsFd) -> u64 {
    out_queue(socket).map_or(0, |bytes| u64::try_from(bytes).unwrap_or(0))
}

/// `SIOCOUTQ`, tcp(7).
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no crate at hand wraps this ioctl safely")]
fn out_queue(socket: impl AsFd) -> rustix::io::Result<i32> {
    const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;
    // SAFETY: on a TCP socket SIOCOUTQ takes no input and writes one int, which is what a getter of
    // i32 makes room for; on any other descriptor the kernel answers an error and writes nothing.
    unsafe { rustix::ioctl::ioctl(socket, rustix::ioctl::Getter::<SIOCOUTQ, i32>::new()) }
}

/// Without the ioctl the queue counts as empty: cuts do not wait for it.
#[cfg(not(target_os = "linux"))]
fn out_queue(_: impl AsFd) -> rustix::io::Result<i32> {
    Ok(0)
}
