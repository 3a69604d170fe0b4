//! Socket options of connections, and what the kernel reports about a socket.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    time::Duration,
};

use socket2::SockRef;
use tokio::io::{
    Interest,
    unix::{AsyncFd, AsyncFdRegisterError},
};

/// Small writes leave at once, a stalled reader pins little in the kernel, and a peer that vanished
/// is noticed in time rather than after the quarter of an hour that retransmissions take.
fn configure(socket: &impl AsFd, buffer_bytes: usize, user_timeout: Duration) {
    let socket = SockRef::from(socket);
    // A connection works without any of these, so that errors are ignored.
    let _ = socket.set_tcp_nodelay(true);
    let _ = socket.set_tcp_user_timeout(Some(user_timeout));
    if buffer_bytes > 0 {
        let _ = socket.set_send_buffer_size(buffer_bytes);
    }
}

/// Whether connections inherit the options of their listener.
const INHERITS: bool = cfg!(target_os = "linux");

/// Sets the options of a listener's connections, where these inherit them.
pub(crate) fn configure_listener(listener: &impl AsFd, buffer_bytes: usize, timeout: Duration) {
    if INHERITS {
        configure(listener, buffer_bytes, timeout);
    }
}

/// Sets a connection's options, where it has not inherited them.
pub(crate) fn configure_accepted(socket: &impl AsFd, buffer_bytes: usize, timeout: Duration) {
    if !INHERITS {
        configure(socket, buffer_bytes, timeout);
    }
}

/// Sets how long the kernel waits for a peer that acknowledges nothing or has no room. `None` is the kernel's
/// default: as long as the peer responds to its probes.
pub(crate) fn wait_for_peer(socket: &impl AsFd, timeout: Option<Duration>) {
    let _ = SockRef::from(socket).set_tcp_user_timeout(timeout);
}

/// Makes the close of the socket a reset.
pub(crate) fn reset_on_close(socket: &impl AsFd) {
    let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
}

/// How many sent bytes the peer has not acknowledged yet.
pub(crate) fn unacknowledged(socket: impl AsFd) -> u64 {
    out_queue(socket).map_or(0, |bytes| u64::try_from(bytes).unwrap_or(0))
}

/// `SIOCOUTQ`, tcp(7).
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "no crate at hand wraps this ioctl safely")]
fn out_queue(socket: impl AsFd) -> rustix::io::Result<i32> {
    const SIOCOUTQ: rustix::ioctl::Opcode = 0x5411;
    // SAFETY: on a TCP socket SIOCOUTQ takes no input and writes one int, which is what a getter of
    // i32 makes room for; on any other descriptor the kernel returns an error and writes nothing.
    unsafe { rustix::ioctl::ioctl(socket, rustix::ioctl::Getter::<SIOCOUTQ, i32>::new()) }
}

/// Without the ioctl the queue counts as empty: cuts do not wait for it.
#[cfg(not(target_os = "linux"))]
fn out_queue(_: impl AsFd) -> rustix::io::Result<i32> {
    Ok(0)
}

/// A type that owns its descriptor and has the same one as long as it lives.
pub(crate) trait OwnsDescriptor: AsRawFd {}

impl OwnsDescriptor for mio::Poll {}
impl OwnsDescriptor for crate::http::listen::Watched {}

/// Registers a descriptor with the runtime of this thread, to wait until it is readable. Returns the owner on
/// an error.
#[allow(
    unsafe_code,
    reason = "the runtime has no safe way to watch a descriptor"
)]
pub(crate) fn watch<T: OwnsDescriptor>(owner: T) -> Result<AsyncFd<T>, (T, io::Error)> {
    // SAFETY: the owner keeps its descriptor open as long as it lives, and the AsyncFd keeps the owner
    // until it has stopped watching.
    unsafe { AsyncFd::register_with_interest(owner, Interest::READABLE) }
        .map_err(AsyncFdRegisterError::into_parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_has_its_options_whether_it_inherits_them_or_not() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let timeout = Duration::from_millis(12_345);
        configure_listener(&listener, 20_000, timeout);
        let _client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        configure_accepted(&accepted, 20_000, timeout);
        let options = SockRef::from(&accepted);
        assert!(options.tcp_nodelay().unwrap());
        assert_eq!(options.tcp_user_timeout().unwrap(), Some(timeout));
        // The kernel doubles it.
        assert_eq!(options.send_buffer_size().unwrap(), 40_000);
    }
}
