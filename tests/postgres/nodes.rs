//! Nodes of ours on one PostgreSQL, and the sessions of an application there.

use std::{
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    process::{Child, ChildStdin, ChildStdout},
    sync::Arc,
};

use crate::{
    mercure::nodes::HubHistory,
    support::postgres::{PostgresServer, interactive, new_schema, url},
    support::shared::{Emptied, Restarted, SharedHistory},
    support::{Server, command},
};

/// A schema of its own on the PostgreSQL that tests share.
pub struct Database {
    pub server: Arc<PostgresServer>,
    pub schema: String,
}

impl Database {
    pub fn new() -> Self {
        Self {
            server: PostgresServer::shared(),
            schema: new_schema(),
        }
    }

    pub fn node(&self, args: &[&str]) -> Server {
        node(self.server.address(), &self.schema, args)
    }

    /// `@` stands for the schema.
    pub fn ask(&self, sql: &str) -> String {
        self.server.ask(&self.sql(sql))
    }

    pub fn number(&self, sql: &str) -> i64 {
        let text = self.ask(sql);
        text.parse().expect(&text)
    }

    pub fn error(&self, sql: &str) -> String {
        self.server.error(&self.sql(sql))
    }

    pub fn session(&self) -> Session {
        Session::start(&self.server, &self.schema)
    }

    fn sql(&self, sql: &str) -> String {
        sql.replace('@', &self.schema)
    }
}

impl SharedHistory for Database {
    fn start() -> Self {
        Self::new()
    }

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn settings(&self, address: SocketAddr) -> Vec<String> {
        let schema = ["--postgres-schema".to_owned(), self.schema.clone()];
        [&self.server.settings(address)[..], &schema].concat()
    }
}

impl Emptied for Database {
    fn start_forgetful() -> Self {
        Self::new()
    }

    fn lose_all(&mut self) {
        // Where both wait for each other, it is the node that gives up.
        self.ask("SET deadlock_timeout = '1min'; DROP SCHEMA @ CASCADE");
    }
}

impl HubHistory for Database {
    fn has_no_subscriptions(&self) -> bool {
        let listed = self.number("SELECT count(*) FROM @.hub_subscriptions");
        listed == 0 && self.number("SELECT count(*) FROM @.live_changes") == 0
    }

    fn has_published_all(&self) -> bool {
        let waiting = "SELECT count(*) FROM @.live_changes WHERE list = 'subscriptions'";
        let publisher = "SELECT count(publisher) FROM @.live_lists WHERE list = 'subscriptions'";
        self.number(waiting) == 0 && self.number(publisher) == 0
    }

    fn last_begun(&self) -> String {
        self.ask("SELECT last_value, is_called FROM @.hub_subscriptions_number_seq")
    }
}

impl SharedHistory for PostgresServer {
    fn start() -> Self {
        Self::start()
    }

    fn address(&self) -> SocketAddr {
        self.address()
    }

    fn settings(&self, address: SocketAddr) -> Vec<String> {
        vec!["--postgres-url".to_owned(), url(address)]
    }
}

impl Restarted for PostgresServer {
    fn kill(&mut self) {
        self.kill();
    }

    fn run(&mut self) {
        self.run();
    }
}

/// A node on the PostgreSQL at this address.
pub fn node(address: SocketAddr, schema: &str, args: &[&str]) -> Server {
    let mut command = command(&["--listen", "127.0.0.1:0", "--workers", "1"]);
    command.args(["--postgres-url", &url(address), "--postgres-schema", schema]);
    command.args(["--drain-time", "1s"]).args(args);
    Server::spawn(command)
}

pub fn three(server: &PostgresServer) -> Vec<Server> {
    let node = |_| node(server.address(), "sse_broadcaster", &[]);
    (0..3).map(node).collect()
}

/// A connection of an application, whose transaction may stay open.
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    schema: String,
}

impl Session {
    pub fn start(server: &PostgresServer, schema: &str) -> Self {
        let mut child = interactive(server);
        Self {
            input: child.stdin.take().expect("its input"),
            output: BufReader::new(child.stdout.take().expect("its output")),
            child,
            schema: schema.to_owned(),
        }
    }

    /// Runs statements, and waits until they are done; what they return.
    pub fn run(&mut self, sql: &str) -> String {
        let sql = sql.replace('@', &self.schema);
        writeln!(self.input, "{sql};\n\\echo done").expect("it takes a statement");
        let mut returned = String::new();
        loop {
            let mut line = String::new();
            let read = self.output.read_line(&mut line).expect("a line");
            assert!(read > 0, "{sql}: it has ended");
            if line.trim_end() == "done" {
                return returned;
            }
            returned.push_str(&line);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
