//! A client of HTTP/2 for tests that write requests of HTTP/1.1 and read such responses: it translates both, and ends
//! a response whose stream is reset within a chunk. It reads from the server only what the test has read.

use std::{
    fmt::Write as _,
    future::poll_fn,
    io,
    net::{self, SocketAddr},
    sync::LazyLock,
    time::Duration,
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{self, SendRequest},
};
use http::{HeaderMap, Request, Response};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
};

use super::PATIENCE;

/// Most bytes that wait between the test and the client, so that one that does not read soon closes its window.
const BUFFER_BYTES: usize = 32 << 10;

/// Runs all clients.
pub static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

/// A connection that speaks HTTP/2.
pub async fn connect(address: SocketAddr) -> SendRequest<Bytes> {
    let mut builder = client::Builder::new();
    // Tests may read a stream later than the others of its connection.
    builder
        .data_frame_budget(1 << 20)
        .initial_connection_window_size(10 << 20);
    connect_with(address, &builder).await
}

/// The same with these settings.
pub async fn connect_with(address: SocketAddr, builder: &client::Builder) -> SendRequest<Bytes> {
    let socket = TcpStream::connect(address).await.expect("it accepts");
    let (send, connection) = builder.handshake(socket).await.expect("a connection");
    tokio::spawn(async move { drop(connection.await) });
    send
}

/// A socket on which a test writes one request of HTTP/1.1, which goes to this server over HTTP/2.
pub fn open(server: SocketAddr) -> net::TcpStream {
    let (address, accepting) = RUNTIME.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        (listener.local_addr().unwrap(), listener)
    });
    let socket = net::TcpStream::connect(address).unwrap();
    SockRef::from(&socket)
        .set_recv_buffer_size(BUFFER_BYTES)
        .unwrap();
    RUNTIME.spawn(async move {
        let (socket, _) = accepting.accept().await.unwrap();
        SockRef::from(&socket)
            .set_send_buffer_size(BUFFER_BYTES)
            .unwrap();
        // The test finds out by what it reads.
        let _ = timeout(PATIENCE * 5, translate(socket, server)).await;
    });
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

async fn translate(mut socket: TcpStream, server: SocketAddr) -> io::Result<()> {
    let (head, beginning) = read_head(&mut socket).await?;
    let (request, length) = request_of(&head, server);
    let mut send = connect(server)
        .await
        .ready()
        .await
        .map_err(io::Error::other)?;
    let (response, body) = send
        .send_request(request, length == 0)
        .map_err(io::Error::other)?;
    let (mut reading, mut writing) = socket.into_split();
    if length > 0 {
        let sending = async move {
            let rest = length - beginning.len();
            send_body(body, beginning, &mut reading, rest).await;
            reading
        };
        let (response, _reading) = tokio::join!(response, sending);
        let response = response.map_err(io::Error::other)?;
        return write_response(response, &mut writing).await;
    }
    let mut body = body;
    let responding = async {
        let response = response.await.map_err(io::Error::other)?;
        write_response(response, &mut writing).await
    };
    let gone = async { while reading.read(&mut [0; 256]).await.is_ok_and(|read| read > 0) {} };
    tokio::select! {
        result = responding => result,
        // The test has closed the socket.
        () = gone => {
            body.send_reset(Reason::CANCEL);
            // Lets the frame leave before the connection is dropped.
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        }
    }
}

async fn read_head(socket: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// The request, and how long its body is.
fn request_of(head: &str, server: SocketAddr) -> (Request<()>, usize) {
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or("").split(' ');
    let (method, path) = (first.next().unwrap(), first.next().unwrap());
    let mut request = Request::builder().method(method);
    let (mut host, mut length) = (server.to_string(), 0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        let value = value.trim();
        match &*name.to_ascii_lowercase() {
            "host" => value.clone_into(&mut host),
            "connection" | "keep-alive" | "upgrade" | "transfer-encoding" => {}
            "content-length" => length = value.parse().unwrap(),
            _ => request = request.header(name, value),
        }
    }
    let request = request.uri(format!("http://{host}{path}"));
    (request.body(()).expect("a request"), length)
}

async fn send_body(
    mut send: SendStream<Bytes>,
    mut next: Vec<u8>,
    reading: &mut (impl tokio::io::AsyncRead + Unpin),
    mut rest: usize,
) {
    loop {
        let mut bytes = Bytes::from(std::mem::replace(&mut next, Vec::with_capacity(16 << 10)));
        while !bytes.is_empty() {
            send.reserve_capacity(bytes.len());
            let Some(Ok(capacity)) = poll_fn(|cx| send.poll_capacity(cx)).await else {
                return;
            };
            let piece = bytes.split_to(capacity.min(bytes.len()));
            if send.send_data(piece, false).is_err() {
                return;
            }
        }
        if rest == 0 {
            let _ = send.send_data(Bytes::new(), true);
            return;
        }
        match reading.read_buf(&mut next).await {
            Ok(0) | Err(_) => return,
            Ok(read) => rest -= read,
        }
    }
}

async fn write_response(
    response: Response<RecvStream>,
    writing: &mut (impl tokio::io::AsyncWrite + Unpin),
) -> io::Result<()> {
    let status = response.status();
    let mut head = format!(
        "HTTP/1.1 {} {}\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or("")
    );
    for (name, value) in response.headers() {
        let value = String::from_utf8_lossy(value.as_bytes());
        // Text takes all that is written to it.
        let _ = write!(head, "{name}: {value}\r\n");
    }
    let is_chunked = !has_length(response.headers()) && status.as_u16() == 200;
    if is_chunked {
        head.push_str("transfer-encoding: chunked\r\n");
    }
    head.push_str("\r\n");
    writing.write_all(head.as_bytes()).await?;
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        // The stream was reset: the last chunk is missing.
        let data = data.map_err(io::Error::other)?;
        if is_chunked && !data.is_empty() {
            let size = format!("{:x}\r\n", data.len());
            writing.write_all(size.as_bytes()).await?;
        }
        writing.write_all(&data).await?;
        if is_chunked && !data.is_empty() {
            writing.write_all(b"\r\n").await?;
        }
        let _ = body.flow_control().release_capacity(data.len());
    }
    if is_chunked {
        writing.write_all(b"0\r\n\r\n").await?;
    }
    Ok(())
}

fn has_length(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::CONTENT_LENGTH)
}
