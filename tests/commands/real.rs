//! Every command against the real server.

use serde_json::Value;

use crate::{
    commands::running::{Ended, Running, run},
    support::{Server, command, free_address},
};

/// The arguments that print topic `a` up to the head.
fn subscribe_until_head(url: &str) -> [&str; 7] {
    ["subscribe", "--url", url, "--topic", "a", "--until", "head"]
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address)
}

fn publish(server: &Server, args: &[&str]) -> Ended {
    run(&[&["publish", "--url", &url(server)], args].concat())
}

/// Everything that there is, without the ids and times that are the server's own.
fn everything(server: &Server) -> Vec<Value> {
    let all = [
        "--topic", "*", "--since", "earliest", "--until", "head", "--json",
    ];
    let printed = run(&[&["subscribe", "--url", &url(server)], &all[..]].concat()).succeeded();
    let objects = printed
        .iter()
        .map(|line| serde_json::from_str(line).unwrap());
    let without = objects.map(|mut object: Value| {
        let members = object.as_object_mut().unwrap();
        assert!(members.remove("id").is_some() && members.remove("time").is_some());
        object
    });
    without.collect()
}

#[test]
fn a_published_event_is_printed_by_subscribe() {
    let server = Server::start(&[]);
    let running = Running::start(&[
        "subscribe",
        "--url",
        &url(&server),
        "--topic",
        "a",
        "--last",
        "9",
    ]);
    let ids = publish(&server, &["--topic", "a", "one", "two\nlines"]).succeeded();
    assert_eq!(ids.len(), 2);
    publish(&server, &["not for it"]).succeeded();
    publish(&server, &["--topic", "a", "three"]).succeeded();
    assert_eq!(running.lines(4), ["one", "two", "lines", "three"]);
}

#[test]
fn since_accepts_times_with_a_zone_and_other_text_is_rejected_with_the_reason() {
    let server = Server::start(&[]);
    let url = url(&server);
    publish(&server, &["one"]).succeeded();
    let subscribe = |since| {
        let until = ["--since", since, "--until", "head"];
        run(&[&["subscribe", "--url", &url], &until[..]].concat())
    };
    for since in ["1970-01-01T01:00:00+01:00", "1970-01-01T00:00Z", "0", "10m"] {
        assert_eq!(subscribe(since).succeeded(), ["one"], "{since}");
    }
    for since in ["2999-01-01T01:00:00+01:00", "99999999999"] {
        assert!(subscribe(since).succeeded().is_empty(), "{since}");
    }
    let failed = subscribe("10");
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert!(
        failed.complaints.concat().contains("has a unit (10m)"),
        "{failed:?}"
    );
}

#[test]
fn subscribe_resumes_a_cut_stream_without_loss_or_repeat() {
    let address = free_address().to_string();
    let serve = || Server::spawn(command(&["--listen", &address, "--drain-time", "50ms"]));
    let mut server = serve();
    let running = Running::start(&["subscribe", "--url", &url(&server), "--last", "9"]);
    server.publish("default", "one");
    assert_eq!(running.line(), "one");
    server.signal("-TERM");
    server.wait();
    let server = serve();
    let gap = running.complaint_with("gap: history no longer holds");
    assert!(gap.contains("continuing at"), "{gap}");
    server.publish("default", "two");
    assert_eq!(running.line(), "two");
}

#[test]
fn lines_of_standard_input_arrive_in_order_and_are_counted() {
    let server = Server::start(&[]);
    let mut running = Running::start(&["publish", "--url", &url(&server), "--topic", "a"]);
    let lines: Vec<_> = (0..5_000).map(|n| format!("line {n}")).collect();
    running.write(&(lines.join("\n") + "\n"));
    let printed = running.end().succeeded();
    assert!(
        printed[0].starts_with("published 5000 events, the last is "),
        "{printed:?}"
    );
    let url = url(&server);
    let all = subscribe_until_head(&url);
    assert_eq!(run(&all).succeeded(), lines);
}

#[test]
fn lines_of_standard_input_survive_restarts_of_the_server_in_order_and_exactly_once() {
    let directory = tempfile::tempdir().unwrap();
    let address = free_address().to_string();
    let serve = || {
        let mut command = command(&["--listen", &address, "--data-dir"]);
        command.arg(directory.path());
        Server::spawn(command)
    };
    let mut server = serve();
    let url = url(&server);
    let mut running = Running::start(&["publish", "--url", &url]);
    let mut written = Vec::new();
    let mut write = |running: &mut Running| {
        for _ in 0..500 {
            written.push(format!("line {}", written.len()));
            running.write(&format!("{}\n", written.last().unwrap()));
        }
    };
    write(&mut running);
    for signal in ["-KILL", "-TERM"] {
        write(&mut running);
        server.signal(signal);
        server.wait();
        write(&mut running);
        running.complaint_with("trying again");
        server = serve();
        write(&mut running);
        running.complaint_with("publishing again");
    }
    let count = written.len();
    let ended = running.end();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let published = format!("published {count} events, ");
    assert!(ended.output[0].starts_with(&published), "{ended:?}");
    let all = ["subscribe", "--url", &url, "--until", "head"];
    assert_eq!(run(&all).succeeded(), written);
}

#[test]
fn a_line_arrives_while_the_input_is_still_open() {
    let server = Server::start(&[]);
    let mut stream = server.subscribe("/events");
    stream.until("connected");
    let mut running = Running::start(&["publish", "--url", &url(&server)]);
    for line in ["one", "two", "three"] {
        running.write(&format!("{line}\n"));
        assert_eq!(stream.data(1), [line]);
    }
    assert!(running.end().succeeded()[0].starts_with("published 3 events"));
}

#[test]
fn one_history_is_copied_into_another() {
    let (from, to) = (Server::start(&[]), Server::start(&[]));
    let events = r#"[{"topics":["b","a"],"event":"news","data":"a\nb\u0000\u2028 \"c\"","id":"mine","retry":70},
        {"data":{"n": 1}},{"topic":"c","data":""},{"topic":"a","data":"\u00e9\ud83d\ude00"}]"#;
    assert_eq!(from.post("/events", "application/json", events).status, 200);
    let printed = {
        let url = url(&from);
        run(&[
            "subscribe",
            "--url",
            &url,
            "--topic",
            "*",
            "--since",
            "earliest",
            "--until",
            "head",
            "--json",
        ])
        .succeeded()
    };
    let mut into = Running::start(&["publish", "--url", &url(&to), "--json"]);
    into.write(&(printed.join("\n") + "\n"));
    assert!(into.end().succeeded()[0].starts_with("published 4 events"));
    let carried = everything(&to);
    assert_eq!(carried, everything(&from));
    assert_eq!(carried[0]["own_id"], "mine");
    assert_eq!(carried[0]["topics"], serde_json::json!(["b", "a"]));
}

#[test]
fn copying_twice_stores_events_with_an_idempotency_key_once() {
    let server = Server::start(&[]);
    for _ in 0..2 {
        let mut running = Running::start(&["publish", "--url", &url(&server), "--json"]);
        running.write("{\"own_id\":\"mine\",\"topics\":[\"a\"],\"data\":\"x\"}\n");
        running.end().succeeded();
    }
    assert_eq!(everything(&server).len(), 1);
}

#[test]
fn until_head_ends_where_the_head_is_of_another_topic_and_where_history_is_empty() {
    let server = Server::start(&[]);
    let url = url(&server);
    let all = subscribe_until_head(&url);
    assert_eq!(run(&all).succeeded(), [""; 0]);
    server.publish("a", "one");
    for n in 0..300 {
        server.publish("b", &n.to_string());
    }
    assert_eq!(run(&all).succeeded(), ["one"]);
    assert_eq!(
        run(&[&all[..], &["--last", "5"]].concat()).succeeded(),
        ["one"]
    );
}

#[test]
fn a_rejected_line_is_named_and_the_lines_before_it_stay_published() {
    let server = Server::start(&[]);
    let mut running = Running::start(&["publish", "--url", &url(&server), "--json"]);
    running
        .write("{\"data\":\"one\"}\n\n{\"topic\":\"$x\",\"data\":\"two\"}\n{\"data\":\"three\"}\n");
    let line = running.end().failed(1);
    assert!(
        line.starts_with("line 3: ") && line.contains("(reserved_topic)"),
        "{line}"
    );
    assert!(line.contains("; published 1 event, the last is "), "{line}");
    assert_eq!(everything(&server).len(), 1);
}

#[test]
fn a_server_with_a_publish_key_accepts_the_right_one_only() {
    let server = Server::start(&["--publish-key", "the-right-of-keys"]);
    let line = publish(&server, &["x"]).failed(1);
    assert!(
        line.contains("--publish-key") && line.contains("SSE_BROADCASTER_PUBLISH_KEY"),
        "{line}"
    );
    let line = publish(&server, &["--publish-key", "guess-7", "x"]).failed(1);
    assert!(
        line.contains("--publish-key") && !line.contains("guess-7"),
        "{line}"
    );
    let mut running = Running::start(&["publish", "--url", &url(&server)]);
    running.write("x\n");
    assert!(running.end().failed(1).contains("--publish-key"));
    publish(&server, &["--publish-key", "the-right-of-keys", "x"]).succeeded();
    let variables = [("SSE_BROADCASTER_PUBLISH_KEY", ",the-right-of-keys")];
    let running = Running::start_with(&variables, &["publish", "--url", &url(&server), "y"]);
    running.end().succeeded();
    assert_eq!(everything(&server).len(), 2);
}

#[test]
fn client_commands_find_the_server_by_its_own_settings() {
    let server = Server::start(&[]);
    let listen = format!("0.0.0.0:{}", server.address.port());
    let variables = [("SSE_BROADCASTER_LISTEN", listen.as_str())];
    let as_set = |args: &[&str]| Running::start_with(&variables, args).end().succeeded();
    assert_eq!(as_set(&["publish", "hi"]).len(), 1);
    assert_eq!(as_set(&["subscribe", "--until", "head"]), ["hi"]);
    assert_eq!(as_set(&["health"]), [""; 0]);
}

#[test]
fn health_succeeds_for_a_running_server_only() {
    let server = Server::start(&[]);
    let url = url(&server);
    run(&["health", "--url", &url]).succeeded();
    server.signal("-STOP");
    run(&["health", "--url", &url]).failed(1);
}

#[test]
fn a_copy_of_all_events_ends_with_a_warning_that_names_the_signals_it_leaves_out() {
    let server = Server::start(&[]);
    server.publish("news", "hello");
    let copy = |more: &[&str]| {
        let all = ["subscribe", "--url", &url(&server), "--until", "head"];
        run(&[&all[..], more].concat())
    };
    let all = ["--topic", "*", "--json"];
    let none = copy(&all);
    assert_eq!((none.code, none.complaints.len()), (Some(0), 0));
    for name in ["counter", "votes"] {
        let head = format!("PUT /signals/{name} HTTP/1.1\nContent-Type: application/json");
        assert_eq!(server.request(&head, b"{\"value\":1}").status, 201);
    }
    let ended = copy(&all);
    assert_eq!((ended.code, ended.output.len()), (Some(0), 1), "{ended:?}");
    let [warning] = &ended.complaints[..] else {
        panic!("{ended:?}")
    };
    assert!(
        warning.contains("leaves out counter, votes; --signals"),
        "{warning}"
    );
    // Whoever asks for some topics alone copies no history.
    assert_eq!(copy(&["--topic", "news", "--json"]).complaints.len(), 0);
}
