//! The servers that ours is compared with. Each is this program, run as a process of its own.

mod axum;
mod response_only;
mod yardstick;

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    process::Command,
};

use rustix::process::{Signal, set_parent_process_death_signal};
use socket2::{Domain, Socket, Type};

/// Worker threads of each server.
pub const THREADS: usize = 2;
/// Room for clients that connect at once: the default bound of the kernel.
const BACKLOG: i32 = 4096;

/// Runs the server that follows `serve` on the command line.
pub fn run(what: &[String]) {
    let what: Vec<&str> = what.iter().map(String::as_str).collect();
    match what[..] {
        ["yardstick"] => yardstick::serve(yardstick::HEAD.into()),
        ["yardstick-tls", certificate, key] => yardstick::serve_encrypted(certificate, key),
        ["bytes", file] => yardstick::serve(std::fs::read(file).expect("a file")),
        ["axum"] => axum::serve(),
        ["response-only"] => response_only::serve(),
        _ => panic!("there is no server {what:?}"),
    }
}

/// Replaces this process by a program that is sent a signal when the benchmark ends, however that ends.
pub fn end_with_parent(what: &[String]) {
    let [signal, program, args @ ..] = what else {
        panic!("a signal and a program are needed");
    };
    let signal = match signal.as_str() {
        "TERM" => Signal::TERM,
        _ => Signal::KILL,
    };
    set_parent_process_death_signal(Some(signal)).expect("a signal at the end of the parent");
    let error = Command::new(program).args(args).exec();
    panic!("{program}: {error}");
}

/// A listener on a port of its own, announced as our binary does.
fn listen() -> TcpListener {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    socket.bind(&any.into()).expect("a port");
    socket.listen(BACKLOG).expect("it listens");
    socket.set_nonblocking(true).expect("non-blocking");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("an address");
    eprintln!("listening on http://{address}");
    listener
}
