//! What several nodes share their history in, so that the same tests run with Redis and with PostgreSQL.

use std::net::SocketAddr;

use super::{Server, command, redis::RedisServer, redis::SNAPSHOTS};

/// A database with a history of this test alone. It keeps what it acknowledges.
pub trait SharedHistory: Sized {
    fn start() -> Self;

    /// Where it is.
    fn address(&self) -> SocketAddr;

    /// The settings of a node that reaches it at this address.
    fn settings(&self, address: SocketAddr) -> Vec<String>;

    /// A node that reaches it at this address, which may be a proxy's.
    fn node_at(&self, address: SocketAddr, args: &[&str]) -> Server {
        let mut command = command(&["--listen", "127.0.0.1:0", "--workers", "1"]);
        command.args(["--drain-time", "1s"]);
        command.args(self.settings(address)).args(args);
        Server::spawn(command)
    }

    fn node(&self, args: &[&str]) -> Server {
        self.node_at(self.address(), args)
    }
}

/// One that can be killed, and started again with what it has kept.
pub trait Restarted: SharedHistory {
    fn kill(&mut self);
    fn run(&mut self);
}

/// One that can lose all of its data.
pub trait Emptied: SharedHistory {
    fn start_forgetful() -> Self;
    fn lose_all(&mut self);
}

impl SharedHistory for RedisServer {
    fn start() -> Self {
        Self::start()
    }

    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn settings(&self, address: SocketAddr) -> Vec<String> {
        vec!["--redis-url".to_owned(), format!("redis://{address}/0")]
    }
}

impl Restarted for RedisServer {
    fn kill(&mut self) {
        self.kill();
    }

    fn run(&mut self) {
        self.run();
    }
}

impl Emptied for RedisServer {
    fn start_forgetful() -> Self {
        Self::start_with(&SNAPSHOTS)
    }

    fn lose_all(&mut self) {
        self.kill();
        self.run();
    }
}

/// Tests that are functions of a module, each for what a [`SharedHistory`] is by.
macro_rules! tests_of {
    ($module:ident, $history:ty: $($test:ident),* $(,)?) => {
        $(#[test]
        fn $test() {
            $module::$test::<$history>();
        })*
    };
}

pub(crate) use tests_of;
