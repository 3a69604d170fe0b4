//! The same over sockets, by the routes of actix-web and axum.

use std::{
    io::Write as _,
    net::TcpStream,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use sse_broadcaster_access::{Authorize, AuthorizeError, Credentials, Grants};
use sse_broadcaster_http::{Authorization, SubscribeAccess};

use crate::{
    frameworks::server::Server,
    support::{End, PATIENCE, Stream},
};

/// Everybody has a grant that ends soon.
#[derive(Debug)]
struct Briefly(Duration);

impl Authorize for Briefly {
    fn authorize<'a>(
        &'a self,
        _: &'a Credentials<'a>,
    ) -> BoxFuture<'a, Result<Arc<Grants>, AuthorizeError>> {
        let grants = Grants::builder().expires_at(SystemTime::now() + self.0);
        Box::pin(async move { Ok(grants.build()) })
    }
}

fn open(server: &Server, path: &str) -> Stream {
    let mut socket = TcpStream::connect(server.address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!("GET /api{path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    socket.write_all(request.as_bytes()).unwrap();
    Stream::open(socket)
}

#[test]
fn a_stream_in_any_format_has_an_event_expiring_without_an_id_and_is_cut_without_a_last_chunk() {
    let authorization = || {
        let briefly = Arc::new(Briefly(Duration::from_secs(3)));
        Authorization::new(SubscribeAccess::PrivateEvents, briefly)
    };
    let servers = [
        Server::actix(move |state| state.authorization(authorization())),
        Server::axum(move |state| state.authorization(authorization())),
    ];
    for server in &servers {
        let paths = [
            "/events?topic=a",
            "/events?topic=a&format=json",
            "/events?topic=a&since=earliest",
            "/signals?name=a",
            "/signals?name=a&format=datastar",
        ];
        let mut streams = paths.map(|path| open(server, path));
        for (stream, path) in streams.iter_mut().zip(paths) {
            let connected = stream.until("connected");
            let text = stream.text_until("\n\n");
            assert!(
                ["1", "2", "3"]
                    .map(|secs| format!("event: expiring\ndata: {{\"in\":{secs}}}\n\n"))
                    .contains(&text),
                "{path}: {text}"
            );
            assert_eq!(stream.drain(), [], "{path}");
            assert_eq!(stream.end, Some(End::Cut), "{path}");
            assert_eq!(stream.last_id, connected.id, "{path}");
        }
    }
}
