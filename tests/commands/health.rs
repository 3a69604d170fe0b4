//! `health`

use crate::{
    commands::fake::Fake,
    commands::running::{Running, run},
};

#[test]
fn a_server_that_answers_200_is_healthy() {
    let fake = Fake::start();
    let running = Running::start(&["health", "--url", &fake.url()]);
    let request = fake.answer("200 OK", "application/json", "{}");
    assert_eq!(request.target(), "GET /health/live");
    assert_eq!(running.end().succeeded(), [""; 0]);
}

#[test]
fn any_other_answer_is_told_in_one_line() {
    for status in [
        "503 Service Unavailable",
        "404 Not Found",
        "301 Moved\r\nLocation: /x",
    ] {
        let fake = Fake::start();
        let running = Running::start(&["health", "--url", &fake.url()]);
        fake.answer(status, "text/plain", "");
        let line = running.end().failed(1);
        assert!(
            line.contains(&status[..3]) && line.contains("/health/live"),
            "{line}"
        );
    }
}

#[test]
fn a_server_that_does_not_answer_is_not_healthy() {
    let fake = Fake::start();
    let running = Running::start(&["health", "--url", &fake.url()]);
    let (_connection, _) = fake.request();
    let line = running.end().failed(1);
    assert!(line.ends_with("no response in time"), "{line}");
}

#[test]
fn the_address_is_that_of_the_settings_and_first_the_admins() {
    for (listen, admin) in [
        ("0.0.0.0:1", ""),
        ("127.0.0.1:1", ""),
        ("127.0.0.1:1", "127.0.0.1:2"),
    ] {
        let fake = Fake::start();
        let fakes = fake.address.port().to_string();
        let swap = |text: &str| match admin {
            "" => text.replace(":1", &format!(":{fakes}")),
            _ => text.replace(":2", &format!(":{fakes}")),
        };
        let variables = [
            ("SSE_BROADCASTER_LISTEN", swap(listen)),
            ("SSE_BROADCASTER_ADMIN_LISTEN", swap(admin)),
            ("http_proxy", "http://127.0.0.1:1".to_owned()),
        ];
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let running = Running::start_with(&variables, &["health"]);
        fake.answer("200 OK", "application/json", "{}");
        assert_eq!(running.end().succeeded(), [""; 0]);
    }
}

#[test]
fn a_port_that_the_system_chose_cannot_be_found() {
    let line = run(&["--listen", "127.0.0.1:0", "health"]).failed(2);
    assert!(line.contains("--url"), "{line}");
}
