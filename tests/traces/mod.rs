//! OpenTelemetry traces: which spans a collector receives, what one that fails does to the server, and how the trace of
//! an event is passed on.

pub mod collector;
mod faults;
mod passed_on;
mod settings;
mod spans;

use collector::{Collector, Span};

use crate::support::{Response, Server, command};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
pub const PARENT: &str = "00f067aa0ba902b7";

/// A valid `traceparent` of a trace of this number, sampled or not.
pub fn traceparent(number: u8, is_sampled: bool) -> String {
    format!("00-{}-{PARENT}-0{}", trace_id(number), u8::from(is_sampled))
}

fn trace_id(number: u8) -> String {
    format!("{}{number:02x}", &TRACE[..30])
}

/// A server that sends its spans to this address at once, with further arguments and variables.
pub fn server(url: &str, args: &[&str], variables: &[(&str, &str)]) -> Server {
    let mut command = command(&["--listen", "127.0.0.1:0", "--otlp-endpoint", url]);
    command.args(args);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "20");
    command.envs(variables.iter().copied());
    Server::spawn(command)
}

/// Publishes with these lines in the head of the request.
fn publish(server: &Server, path: &str, lines: &str, body: &str) -> Response {
    server.request(&format!("POST {path} HTTP/1.1\n{lines}"), body.as_bytes())
}

pub fn publish_in(server: &Server, traceparent: &str, topic: &str) -> Response {
    let path = format!("/events?topic={topic}");
    let response = publish(
        server,
        &path,
        &format!("traceparent: {traceparent}"),
        "hello",
    );
    assert_eq!(response.status, 200, "{response:?}");
    response
}
