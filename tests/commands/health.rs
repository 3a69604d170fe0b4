//! The command `health`.

use crate::{
    commands::fake_server::Fake,
    commands::running::{Running, run},
};

#[test]
fn health_succeeds_for_a_200() {
    let fake = Fake::start();
    let running = Running::start(&["health", "--url", &fake.url()]);
    let request = fake.response("200 OK", "application/json", "{}");
    assert_eq!(request.target(), "GET /health/live");
    assert_eq!(running.end().succeeded(), [""; 0]);
}

#[test]
fn health_reports_any_other_response_in_one_line() {
    for status in [
        "503 Service Unavailable",
        "404 Not Found",
        "301 Moved\r\nLocation: /x",
    ] {
        let fake = Fake::start();
        let running = Running::start(&["health", "--url", &fake.url()]);
        fake.response(status, "text/plain", "");
        let line = running.end().failed(1);
        assert!(
            line.contains(&status[..3]) && line.contains("/health/live"),
            "{line}"
        );
    }
}

#[test]
fn health_fails_without_a_response() {
    let fake = Fake::start();
    let running = Running::start(&["health", "--url", &fake.url()]);
    let (_connection, _) = fake.request();
    let line = running.end().failed(1);
    assert!(line.ends_with("no response in time"), "{line}");
}

#[test]
fn health_uses_the_admin_address_of_the_settings_first() {
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
        fake.response("200 OK", "application/json", "{}");
        assert_eq!(running.end().succeeded(), [""; 0]);
    }
}

#[test]
fn health_needs_a_url_where_the_port_is_0() {
    let line = run(&["--listen", "127.0.0.1:0", "health"]).failed(2);
    assert!(line.contains("--url"), "{line}");
}
