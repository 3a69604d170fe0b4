//! What is served as a publish here is the same request for actix.

use actix_http::{
    ServiceConfig,
    h1::{Codec, Message, MessageType},
};
use actix_web::web::BytesMut;
use proptest::{prelude::*, test_runner::TestRunner};
use tokio::task::LocalSet;
use tokio_util::codec::Decoder as _;

use super::{Publish, Received, take};
use crate::http::connection::paths::Paths;
use sse_broadcaster_http::RequestHead as _;

/// Pieces of requests, most of which could be read in more than one way somewhere.
fn piece() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "POST /events",
        "?topic=a",
        "/",
        "#",
        " ",
        " HTTP/1.1",
        "\r\n",
        "\n",
        "\r",
        "Host: localhost",
        "Content-Length: 3",
        "content-length:3 ",
        "Content-Length: 0",
        "Content-Length: 03",
        "Content-Length: +3",
        "Transfer-Encoding: chunked",
        "transfer-encoding : identity",
        "Connection: close",
        "Connection: keep-alive",
        "Expect: 100-continue",
        "X: y",
        "X:\ty\t",
        ": y",
        "\u{e9}: z",
        "a: \u{e9}",
        "\0",
        "3\r\nabc\r\n0\r\n\r\n",
        "abc",
    ])
}

/// A plain request to which something was added at some places.
fn request() -> impl Strategy<Value = String> {
    let places = [
        "POST /events",
        "?topic=a",
        " HTTP/1.1",
        "\r\n",
        "Host: localhost",
        "\r\n",
        "Content-Length: 3",
        "\r\n",
        "\r\n",
        "abc",
    ];
    let added = prop::collection::vec(
        (0..=places.len(), prop::collection::vec(piece(), 1..4)),
        0..3,
    );
    added.prop_map(move |added| {
        let mut parts: Vec<String> = places.iter().map(|part| (*part).to_owned()).collect();
        parts.push(String::new());
        for (place, pieces) in added {
            parts[place] = pieces.concat() + &parts[place];
        }
        parts.concat()
    })
}

/// A request, as it was read.
#[derive(Debug, PartialEq, Eq)]
struct Read {
    uri: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// How many bytes come after it.
    rest: usize,
}

fn of_actix(text: &str, config: &ServiceConfig) -> Read {
    let mut codec = Codec::new(config.clone());
    let mut rest = BytesMut::from(text);
    let Ok(Some(Message::Item(request))) = codec.decode(&mut rest) else {
        panic!("no request: {text:?}");
    };
    let mut body = Vec::new();
    if codec.message_type() == MessageType::Payload {
        while let Ok(Some(Message::Chunk(Some(chunk)))) = codec.decode(&mut rest) {
            body.extend_from_slice(&chunk);
        }
    }
    let headers = request.head().headers.iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()));
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    assert_eq!(request.method(), "POST");
    // A query may be empty.
    let uri = request.uri().to_string().trim_end_matches('?').to_owned();
    Read {
        uri,
        headers,
        body,
        rest: rest.len(),
    }
}

fn of_ours(Publish { head, body, .. }: &Publish, rest: usize) -> Read {
    let uri = match head.query().trim_end_matches('?') {
        "" => "/events".to_owned(),
        query => format!("/events?{query}"),
    };
    let headers = head.headers.iter();
    let headers =
        headers.map(|(name, value)| (head.text(*name).to_owned(), head.part(*value).to_vec()));
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    Read {
        uri,
        headers,
        body: body.to_vec(),
        rest,
    }
}

#[test]
fn a_publish_is_the_same_request_for_actix() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, async {
        let config = ServiceConfig::default();
        let mut runner = TestRunner::new(ProptestConfig::with_cases(4_000));
        let tested = runner.run(&request(), |text| {
            let mut received = bytes::BytesMut::from(text.as_str());
            if let Received::Publish(publish) = take(&mut received, &Paths::default()) {
                let actix = of_actix(&text, &config);
                prop_assert_eq!(of_ours(&publish, received.len()), actix, "{:?}", text);
            }
            Ok(())
        });
        tested.unwrap();
    });
}
