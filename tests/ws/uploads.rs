//! The memory that unfinished messages may hold.

use crate::{
    support::socket::Socket,
    support::{Server, wait_until},
};

#[test]
fn messages_that_do_not_end_share_the_budget_of_uploads() {
    const BYTES: usize = 1_000_000;
    let server = Server::start(&["--upload-buffer-bytes", "1500000"]);
    let mut head = vec![0x81, 0xFF];
    head.extend((BYTES as u64).to_be_bytes());
    head.extend([0; 4]);
    let unfinished = [&head[..], &vec![b' '; BYTES - 1]].concat();
    let mut first = Socket::open(&server, "/ws");
    first.until("connected");
    first.send_raw(&unfinished);
    wait_until("it is held", || {
        server.metric("upload_buffer_bytes") > BYTES as u64 - (32 << 10)
    });
    let mut second = Socket::open(&server, "/ws");
    second.until("connected");
    second.send_raw(&unfinished);
    assert_eq!(second.end().code(), Some(1013));
    // Answered, and given back.
    first.send_raw(b" ");
    assert_eq!(first.next()["code"], "invalid_json");
    wait_until("it is free", || server.metric("upload_buffer_bytes") == 0);
    drop(first);
}
