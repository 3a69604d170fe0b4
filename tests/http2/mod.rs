//! HTTP/2 with prior knowledge, by a client of its own and by frames that no client would send.

mod floods;
mod half_closed;
mod held;
mod idle;
mod prior_knowledge;
pub mod raw;
mod requests;
mod streams;

use std::future::Future;

use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use http::{Request, Response};
use tokio::time::timeout;

use crate::support::{
    PATIENCE, Server,
    http2::{RUNTIME, connect, connect_with},
};

/// A server that speaks HTTP/2 as well.
fn start(args: &[&str]) -> Server {
    let args: Vec<&str> = [&["--http2-prior-knowledge"], args].concat();
    Server::start(&args)
}

/// Runs this to its end, which must come.
fn run<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(async { timeout(PATIENCE, future).await.expect("it ends in time") })
}

/// One connection to a server.
struct Client {
    send: SendRequest<Bytes>,
    authority: String,
}

impl Client {
    async fn connect(server: &Server) -> Self {
        Self {
            send: connect(server.address).await,
            authority: server.address.to_string(),
        }
    }

    /// Each stream may send it so many bytes before it opens their window.
    async fn with_window(server: &Server, bytes: u32) -> Self {
        let mut builder = h2::client::Builder::new();
        builder
            .initial_window_size(bytes)
            .initial_connection_window_size(10 << 20);
        Self {
            send: connect_with(server.address, &builder).await,
            authority: server.address.to_string(),
        }
    }

    fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let uri = format!("http://{}{path}", self.authority);
        Request::builder().method(method).uri(uri)
    }

    async fn send(
        &self,
        request: http::request::Builder,
    ) -> Result<Response<RecvStream>, h2::Error> {
        let mut ready = self.send.clone().ready().await?;
        let request = request.body(()).expect("a request");
        ready.send_request(request, true)?.0.await
    }

    async fn get(&self, path: &str) -> Result<Response<RecvStream>, h2::Error> {
        self.send(self.request("GET", path)).await
    }

    /// Sends a body whole.
    async fn post(&self, path: &str, body: &str) -> Result<Response<RecvStream>, h2::Error> {
        let mut ready = self.send.clone().ready().await?;
        let request = self.request("POST", path).body(()).expect("a request");
        let (response, mut sending) = ready.send_request(request, false)?;
        sending.send_data(Bytes::copy_from_slice(body.as_bytes()), true)?;
        response.await
    }

    async fn stream(&self, path: &str) -> Stream {
        self.try_stream(path).await.expect("a response")
    }

    async fn try_stream(&self, path: &str) -> Result<Stream, h2::Error> {
        let response = self.get(path).await?;
        assert_eq!(response.status(), 200);
        Ok(Stream {
            body: response.into_body(),
            text: String::new(),
        })
    }
}

/// An open stream of events.
struct Stream {
    body: RecvStream,
    text: String,
}

impl Stream {
    /// Reads more; the error is the end of the stream.
    async fn fill(&mut self) -> Result<(), Option<h2::Error>> {
        let data = self.body.data().await.ok_or(None)??;
        let _ = self.body.flow_control().release_capacity(data.len());
        self.text
            .push_str(std::str::from_utf8(&data).expect("text"));
        Ok(())
    }

    /// Reads until the text has this.
    async fn until(&mut self, text: &str) {
        while !self.text.contains(text) {
            self.fill().await.expect("the stream goes on");
        }
    }

    /// Reads to the end.
    async fn end(&mut self) -> Option<h2::Error> {
        loop {
            if let Err(end) = self.fill().await {
                return end;
            }
        }
    }

    /// The data of all events so far.
    fn data(&self) -> Vec<&str> {
        let lines = self
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("data: "));
        lines.filter(|data| !data.starts_with('{')).collect()
    }
}

/// The whole body of a response.
async fn body_of(response: Response<RecvStream>) -> Result<String, h2::Error> {
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        text.extend_from_slice(&data);
    }
    Ok(String::from_utf8(text).expect("text"))
}
