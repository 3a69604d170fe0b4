use std::{
    path::Path,
    process::{Child, Command, Stdio},
};

/// A Redis server of its own, where Redis is installed. It ends when it is dropped.
pub struct RedisServer {
    child: Child,
    pub port: u16,
}

impl RedisServer {
    pub fn start(directory: &Path) -> Option<Self> {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
        let port = socket.local_addr().ok()?.port();
        drop(socket);
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--save", "", "--dir"])
            .arg(directory)
            .stdout(Stdio::null())
            .spawn()
            .ok()?;
        Some(Self { child, port })
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
