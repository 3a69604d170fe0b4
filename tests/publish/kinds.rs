//! The ways to publish, and that events arrive as they were published.

use serde_json::{Value, json};

use crate::{
    publish::refused::{FORM, JSON, TEXT},
    support::{Response, Server, Stream},
};

/// A subscriber of everything that sees every field.
fn observer(server: &Server) -> Stream {
    let mut stream = server.subscribe("/events?topic=*&format=json");
    stream.until("connected");
    stream
}

fn seen(stream: &mut Stream) -> Value {
    let message = stream.event().expect("an event");
    serde_json::from_str(&message.data).expect("the json form is JSON")
}

fn id_of(response: &Response) -> String {
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(response.header("cache-control"), Some("no-store"));
    response.json()["id"].as_str().expect("an id").to_owned()
}

#[test]
fn line_ends_inside_of_data_become_data_lines_and_never_a_field() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let wire = "data: a\ndata: id: 6\ndata: event: gap\ndata: : x\ndata: \ndata: data: e\ndata: \n";
    let ids = [
        id_of(&server.post("/events", TEXT, "a\rid: 6\nevent: gap\r\n: x\n\rdata: e\r")),
        id_of(&server.post(
            "/events",
            JSON,
            r#"{"data":"a\rid: 6\nevent: gap\r\n: x\n\rdata: e\r"}"#,
        )),
        id_of(&server.post(
            "/events",
            FORM,
            "data=a%0Did:+6%0Aevent:+gap%0D%0A:+x%0A%0Ddata:+e%0D",
        )),
        server
            .get("/events/a%0Did:%206%0Aevent:%20gap%0D%0A:%20x%0A%0Ddata:%20e%0D")
            .header("event-id")
            .expect("an id")
            .to_owned(),
    ];
    for id in ids {
        assert_eq!(stream.text_until("\n\n"), format!("{wire}id: {id}\n\n"));
    }
}

#[test]
fn only_the_standards_line_ends_split_data() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let data = "a\u{b}b\u{c}c\u{85}d\u{2028}e\0f\tg";
    let id = id_of(&server.post("/events", TEXT, data));
    assert_eq!(
        stream.text_until("\n\n"),
        format!("data: {data}\nid: {id}\n\n")
    );
}

#[test]
fn data_may_be_any_json_and_arrives_compact() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    let cases = [
        (r#""hello""#, "hello"),
        (r#""""#, ""),
        ("null", "null"),
        ("true", "true"),
        ("1.0", "1.0"),
        ("-0", "-0"),
        (
            "12345678901234567890.12345678901234567890",
            "12345678901234567890.12345678901234567890",
        ),
        ("[ ]", "[]"),
        (
            "{ \"b\" : [ 1 , 2 ] ,\r\n\t\"a\" : \" x \\\" y \" }",
            r#"{"b":[1,2],"a":" x \" y "}"#,
        ),
        (r#"{"a\n":"\u0000\n"}"#, r#"{"a\n":"\u0000\n"}"#),
        ("[\"\u{2028}\u{fc}\"]", "[\"\u{2028}\u{fc}\"]"),
        (r#""\ud83d\ude00""#, "😀"),
    ];
    for (sent, arrives) in cases {
        id_of(&server.post("/events", JSON, &format!(r#"{{ "data" : {sent} }}"#)));
        assert_eq!(stream.event().unwrap().data, arrives, "{sent}");
    }
}

#[test]
fn a_json_object_may_set_every_field_of_an_event() {
    let server = Server::start(&[]);
    let mut stream = observer(&server);
    let body =
        json!({ "topics": ["a", "b", "a"], "event": "e", "data": "d", "id": "mine", "retry": 7 });
    let response = server.post("/events", JSON, &body.to_string());
    let id = id_of(&response);
    assert_eq!(response.header("event-id"), Some(id.as_str()));
    let mut event = seen(&mut stream);
    assert!(
        event["time"]
            .take()
            .as_str()
            .is_some_and(|time| time.ends_with('Z'))
    );
    let expected = json!({
        "id": id, "own_id": "mine", "topics": ["a", "b"], "event": "e", "data": "d", "retry": 7,
        "time": null,
    });
    assert_eq!(event, expected);
}

#[test]
fn nulls_in_an_object_are_fields_that_are_not_given() {
    let server = Server::start(&[]);
    let mut stream = observer(&server);
    let body = r#"{"topic":null,"topics":null,"event":null,"id":null,"retry":null,"data":null}"#;
    id_of(&server.post("/events", JSON, body));
    let event = seen(&mut stream);
    assert_eq!(event["topics"], json!(["default"]));
    assert_eq!(event["data"], "null");
    assert_eq!(
        [&event["event"], &event["own_id"], &event["retry"]],
        [&Value::Null; 3]
    );
}

#[test]
fn an_array_is_published_in_order_and_the_response_has_the_positions() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events?topic=*");
    stream.until("connected");
    let events: Vec<_> = (0..50)
        .map(|n| json!({ "topic": format!("t{n}"), "data": n }))
        .collect();
    let response = server.post("/events", JSON, &json!(events).to_string());
    assert_eq!(response.status, 200, "{response:?}");
    let ids: Vec<String> = serde_json::from_value(response.json()["ids"].clone()).expect("ids");
    let arrived: Vec<_> = (0..50).map(|_| stream.event().unwrap()).collect();
    assert_eq!(
        arrived
            .iter()
            .map(|event| event.id.clone())
            .collect::<Vec<_>>(),
        ids
    );
    let data: Vec<_> = arrived.iter().map(|event| event.data.clone()).collect();
    assert_eq!(
        data,
        (0..50).map(|n: u32| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn text_is_data_byte_for_byte_with_its_type_or_without_any() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    for data in ["hello", "", " a=b&c=%20+ ", "{\"data\":1}", "grüße 😀"] {
        id_of(&server.post("/events", "text/plain", data));
        id_of(&server.post("/events", "text/html; charset=utf-8", data));
        id_of(&server.request("POST /events HTTP/1.1", data.as_bytes()));
        assert_eq!(stream.data(3), [data; 3]);
    }
}

#[test]
fn forms_have_the_same_fields_and_may_leave_them_empty() {
    let server = Server::start(&[]);
    let mut stream = observer(&server);
    id_of(&server.post(
        "/events",
        FORM,
        "topic=a&topic=b+c&event=e%26&data=1%2B1+%3D&id=mine&retry=7",
    ));
    let event = seen(&mut stream);
    assert_eq!(event["topics"], json!(["a", "b c"]));
    assert_eq!(
        (&event["event"], &event["data"]),
        (&json!("e&"), &json!("1+1 ="))
    );
    assert_eq!(
        (&event["own_id"], &event["retry"]),
        (&json!("mine"), &json!(7))
    );

    id_of(&server.post("/events", FORM, "topic=&event=&id=&retry=&data="));
    let event = seen(&mut stream);
    assert_eq!(
        (&event["topics"], &event["data"]),
        (&json!(["default"]), &json!(""))
    );
    assert_eq!(
        [&event["event"], &event["own_id"], &event["retry"]],
        [&Value::Null; 3]
    );
}

#[test]
fn a_form_without_an_equals_sign_is_text_as_curl_sends_it() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    for data in ["hello", "a+b %20 & c", "data", "", "grüße\n"] {
        id_of(&server.post("/events", FORM, data));
        assert_eq!(stream.event().unwrap().data, data);
    }
}

#[test]
fn a_get_publishes_the_decoded_rest_of_its_path() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    let cases = [
        ("hello", "hello"),
        ("hello%20world", "hello world"),
        ("a+b", "a+b"),
        ("gr%C3%BC%C3%9Fe", "grüße"),
        ("a%2Fb", "a/b"),
        ("a/b/", "a/b/"),
        ("a//b", "a//b"),
        ("/", "/"),
        ("a%0Ab", "a\nb"),
        ("%25", "%"),
        ("100%", "100%"),
        ("a%3Ftopic=b", "a?topic=b"),
        ("%2e%2e/x", "../x"),
        ("%7Bid%7D", "{id}"),
        ("events/events", "events/events"),
    ];
    for (path, data) in cases {
        let response = server.get(&format!("/events/{path}"));
        assert_eq!(
            (response.status, response.text().as_str()),
            (200, "msg sent"),
            "{path}"
        );
        assert_eq!(
            response.header("content-type"),
            Some("text/plain; charset=utf-8")
        );
        assert_eq!(response.header("cache-control"), Some("no-store"));
        let event = stream.event().unwrap();
        assert_eq!(event.data, data);
        assert_eq!(response.header("event-id"), Some(event.id.as_str()));
    }
}

#[test]
fn a_slash_after_events_changes_nothing() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events/?topic=a");
    assert_eq!(stream.header("content-type"), Some("text/event-stream"));
    stream.until("connected");
    id_of(&server.post("/events/?topic=a", TEXT, "posted"));
    id_of(&server.post("/events?topic=a", TEXT, "posted again"));
    assert_eq!(stream.data(2), ["posted", "posted again"]);
}

#[test]
fn the_query_serves_every_kind_of_body() {
    let server = Server::start(&[]);
    let mut stream = observer(&server);
    let publishes: [&dyn Fn(&str) -> Response; 6] = [
        &|path| server.post(path, TEXT, "x"),
        &|path| server.post(path, JSON, r#"{"data":"x"}"#),
        &|path| server.post(path, FORM, "x"),
        &|path| server.post(path, FORM, "data=x"),
        &|path| server.request(&format!("POST {path} HTTP/1.1"), b"x"),
        &|path| server.get(&path.replace("/events", "/events/x")),
    ];
    for (index, publish) in publishes.iter().enumerate() {
        let query = format!("topic=a&topic=b%20c&event=e+f&id=own{index}&retry=5&datastar=%7B%7D");
        let response = publish(&format!("/events?{query}"));
        assert_eq!(response.status, 200, "{response:?}");
        let event = seen(&mut stream);
        assert_eq!(event["topics"], json!(["a", "b c"]), "{index}");
        assert_eq!(
            (&event["event"], &event["data"]),
            (&json!("e f"), &json!("x")),
            "{index}"
        );
        assert_eq!(
            (&event["own_id"], &event["retry"]),
            (&json!(format!("own{index}")), &json!(5))
        );
    }
    for (kind, body) in [
        (JSON, r#"[{"data":"1"},{"data":"2"}]"#),
        (NDJSON, "{\"data\":1}\n{\"data\":2}"),
    ] {
        let response = server.post("/events?topic=a&event=e", kind, body);
        assert_eq!(response.status, 200, "{response:?}");
        for data in ["1", "2"] {
            let event = seen(&mut stream);
            assert_eq!(
                (&event["topics"], &event["event"]),
                (&json!(["a"]), &json!("e"))
            );
            assert_eq!(event["data"], data);
        }
    }
}

const NDJSON: &str = "application/x-ndjson";

#[test]
fn an_event_of_several_topics_comes_once_to_a_subscriber_of_several() {
    let server = Server::start(&[]);
    let mut streams = [
        "?topic=a&topic=b",
        "?topic=*",
        "?topic=b&topic=c",
        "?topic=*&topic=a",
    ]
    .map(|query| server.subscribe(&format!("/events{query}")));
    for stream in &mut streams {
        stream.until("connected");
    }
    id_of(&server.post("/events", JSON, r#"{"topics":["a","b"],"data":"both"}"#));
    id_of(&server.post("/events?topic=b", TEXT, "after"));
    for stream in &mut streams {
        assert_eq!(stream.data(2), ["both", "after"]);
    }
    let mut replayed = server.subscribe("/events?topic=a&topic=b&since=earliest");
    assert_eq!(replayed.data(2), ["both", "after"]);
}
