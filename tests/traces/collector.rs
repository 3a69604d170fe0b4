//! A collector of OpenTelemetry, as far as the server sees one.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::mpsc,
};

use serde_json::Value;

use crate::support::PATIENCE;

/// One request to the collector.
pub struct Export {
    /// The lines of its head, in lower case.
    pub head: String,
    pub body: String,
}

/// Receives spans on a port of its own.
pub struct Collector {
    pub address: SocketAddr,
    exports: mpsc::Receiver<Export>,
    spans: Vec<Span>,
}

/// A span as it was received.
#[derive(Debug, Clone)]
pub struct Span(pub Value);

impl Collector {
    /// One that accepts everything.
    pub fn start() -> Self {
        Self::responding_with(&[])
    }

    /// One that responds to the first requests with these statuses, and then with 200.
    pub fn responding_with(statuses: &'static [u16]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, exports) = mpsc::channel();
        std::thread::spawn(move || {
            let statuses = statuses.iter().copied().chain(std::iter::repeat(200));
            for (socket, status) in listener.incoming().zip(statuses) {
                let export = respond(socket.unwrap(), status);
                if sender.send(export).is_err() {
                    return;
                }
            }
        });
        Self {
            address,
            exports,
            spans: Vec::new(),
        }
    }

    /// The address for `--otlp-endpoint`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The next request.
    pub fn export(&mut self) -> Export {
        let export = self.exports.recv_timeout(PATIENCE);
        let export = export.expect("the server sends spans");
        let body: Value = serde_json::from_str(&export.body).expect("the body is JSON");
        let spans = body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array();
        self.spans
            .extend(spans.expect("spans").iter().cloned().map(Span));
        export
    }

    /// The first span that `is_it`, and that was not returned before.
    pub fn find(&mut self, is_it: impl Fn(&Span) -> bool) -> Span {
        loop {
            if let Some(at) = self.spans.iter().position(&is_it) {
                return self.spans.remove(at);
            }
            self.export();
        }
    }

    /// The first span of this name, which was not returned before.
    pub fn span(&mut self, name: &str) -> Span {
        self.find(|span| span.name() == name)
    }

    /// Every span of this trace so far which was not returned before.
    pub fn of_trace(&self, trace_id: &str) -> Vec<Span> {
        let all = self
            .spans
            .iter()
            .filter(|span| span.text("traceId") == trace_id);
        all.cloned().collect()
    }
}

fn respond(socket: TcpStream, status: u16) -> Export {
    let mut reader = BufReader::new(socket);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.trim_end();
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length: ") {
            length = value.parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
        head.push_str(line);
        head.push('\n');
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let response =
        format!("HTTP/1.1 {status} x\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}");
    // The server may have ended meanwhile.
    let _ = reader.get_mut().write_all(response.as_bytes());
    Export {
        head,
        body: String::from_utf8(body).unwrap(),
    }
}

impl Span {
    pub fn text(&self, member: &str) -> &str {
        self.0[member].as_str().unwrap_or_default()
    }

    pub fn name(&self) -> &str {
        self.text("name")
    }

    pub fn id(&self) -> &str {
        self.text("spanId")
    }

    pub fn parent(&self) -> &str {
        self.text("parentSpanId")
    }

    /// The value of an attribute as text; `None` without it.
    pub fn attribute(&self, key: &str) -> Option<String> {
        let attributes = self.0["attributes"].as_array()?;
        let found = attributes
            .iter()
            .find(|attribute| attribute["key"] == key)?;
        let value = found["value"].as_object()?.values().next()?;
        Some(
            value
                .as_str()
                .map_or_else(|| value.to_string(), ToOwned::to_owned),
        )
    }

    /// When it began and ended, in nanoseconds.
    pub fn times(&self) -> (u128, u128) {
        let time = |member| self.text(member).parse().expect("a time");
        (time("startTimeUnixNano"), time("endTimeUnixNano"))
    }
}
