//! Many sends by one system call, by `io_uring`.
//!
//! No send waits: each ends while it is submitted, with what the socket accepts, as `send` does with a socket that
//! does not block. So all results of a batch are there when the call returns.

use std::{
    io,
    mem::ManuallyDrop,
    os::fd::{AsRawFd as _, BorrowedFd, RawFd},
};

use bytes::Bytes;
use io_uring::{IoUring, opcode, types};

/// Most sends of a batch.
pub(super) const MAX_BATCH: usize = MAX_ENTRIES as usize;
const MAX_ENTRIES: u32 = 64;
/// `MSG_DONTWAIT` and `MSG_NOSIGNAL`, as Linux has them.
const FLAGS: i32 = 0x40 | 0x4000;

/// A send that is to be made, and what became of it.
pub(super) struct Send {
    socket: RawFd,
    bytes: Bytes,
    sent: Option<io::Result<usize>>,
}

impl Send {
    /// The socket must be open until the batch was sent.
    pub(super) fn new(socket: BorrowedFd<'_>, bytes: Bytes) -> Self {
        Self {
            socket: socket.as_raw_fd(),
            bytes,
            sent: None,
        }
    }

    /// How many bytes the socket accepted.
    pub(super) fn sent(self) -> io::Result<usize> {
        self.sent
            .unwrap_or_else(|| Err(io::Error::other("the send has no result")))
    }
}

/// A ring of one thread.
pub(super) struct SendRing(IoUring);

impl SendRing {
    /// # Errors
    /// The kernel has no `io_uring`, is too old, or does not allow it.
    pub(super) fn new() -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_coop_taskrun();
        Ok(Self(builder.build(MAX_ENTRIES)?))
    }

    /// Sends these, at most [`MAX_BATCH`], and waits for all results.
    ///
    /// # Errors
    /// The ring cannot be used any more. Some sends have no result then, though their bytes may have been sent.
    pub(super) fn send_all(&mut self, sends: &mut Vec<Send>) -> io::Result<()> {
        let batch = std::mem::take(sends);
        // After an error the kernel may read the bytes later: they are never freed then.
        let mut batch = ManuallyDrop::new(batch);
        self.submit(&mut batch)?;
        *sends = ManuallyDrop::into_inner(batch);
        Ok(())
    }

    fn submit(&mut self, batch: &mut [Send]) -> io::Result<()> {
        for (index, send) in batch.iter().enumerate() {
            let length = u32::try_from(send.bytes.len()).unwrap_or(u32::MAX);
            let entry = opcode::Send::new(types::Fd(send.socket), send.bytes.as_ptr(), length);
            let entry = entry.flags(FLAGS).build().user_data(index as u64);
            // SAFETY: the bytes of a `Bytes` neither move nor change, and are kept until the result of the send is there,
            // or for ever; a descriptor that was closed would only fail the send.
            #[allow(unsafe_code, reason = "the kernel reads the bytes after this call")]
            let pushed = unsafe { self.0.submission().push(&entry) };
            pushed.map_err(io::Error::other)?;
        }
        let mut missing = batch.len();
        while missing > 0 {
            match self.0.submit_and_wait(missing) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            for entry in self.0.completion() {
                let index = usize::try_from(entry.user_data()).unwrap_or(usize::MAX);
                let result = entry.result();
                if let Some(send) = batch.get_mut(index) {
                    let sent = usize::try_from(result);
                    let sent = sent.map_err(|_| io::Error::from_raw_os_error(-result));
                    missing -= usize::from(send.sent.replace(sent).is_none());
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Read as _,
        net::{TcpListener, TcpStream},
        os::fd::AsFd as _,
    };

    use super::*;

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        (server, client)
    }

    /// `None` where the kernel allows no ring: a container may forbid it.
    fn ring() -> Option<SendRing> {
        let ring = SendRing::new();
        ring.inspect_err(|error| eprintln!("not tested: {error}"))
            .ok()
    }

    #[test]
    fn each_socket_of_a_batch_gets_its_own_bytes() {
        let Some(mut ring) = ring() else { return };
        let mut pairs: Vec<_> = (0..MAX_BATCH).map(|_| pair()).collect();
        for round in 0..3 {
            let text = |index: usize| format!("{round} {index};");
            let sends = pairs.iter().enumerate();
            let sends =
                sends.map(|(index, (server, _))| Send::new(server.as_fd(), text(index).into()));
            let mut sends: Vec<_> = sends.collect();
            ring.send_all(&mut sends).unwrap();
            for (index, send) in sends.into_iter().enumerate() {
                assert_eq!(send.sent().unwrap(), text(index).len());
                let mut received = vec![0; text(index).len()];
                pairs[index].1.read_exact(&mut received).unwrap();
                assert_eq!(received, text(index).as_bytes());
            }
        }
    }

    #[test]
    fn a_full_socket_takes_a_part_and_then_nothing_and_a_closed_one_is_an_error() {
        let Some(mut ring) = ring() else { return };
        let ((full, _reader), (closed, peer), (healthy, mut client)) = (pair(), pair(), pair());
        drop(peer);
        let long = Bytes::from(vec![b'x'; 64 << 20]);
        let mut send = |socket: &TcpStream, bytes: &Bytes| {
            let mut sends = vec![
                Send::new(socket.as_fd(), bytes.clone()),
                Send::new(healthy.as_fd(), Bytes::from_static(b"on")),
            ];
            ring.send_all(&mut sends).unwrap();
            let second = sends.pop().unwrap();
            assert_eq!(second.sent().unwrap(), 2);
            client.read_exact(&mut [0; 2]).unwrap();
            sends.pop().unwrap().sent()
        };
        let part = send(&full, &long).unwrap();
        assert!((1..long.len()).contains(&part), "{part}");
        loop {
            match send(&full, &long) {
                Ok(_) => {}
                Err(error) => break assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        let short = Bytes::from_static(b"x");
        let kinds = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
        loop {
            // The peer's reset may be on its way.
            if let Err(error) = send(&closed, &short) {
                break assert!(kinds.contains(&error.kind()), "{error}");
            }
        }
    }
}
