use super::*;

#[test]
fn a_first_order_is_proved_on_the_listener_itself_and_a_restart_uses_what_was_kept() {
    let setting = Setting::new();
    let trusts = setting.authority.client();
    let mut server = setting.start(&[]);
    assert_eq!(served(&server, &trusts), None, "there is none yet");
    server.wait_for_log("clients are refused: there is no certificate yet");
    setting.authority.leads_to("tls-alpn-01", server.address);
    server.wait_for_log("the certificate for a.example is valid until ");
    let first = served(&server, &trusts).expect("it is served");
    let issued = "sse_broadcaster_acme_orders_total{outcome=\"issued\"}";
    assert_eq!(metric_of::<usize>(&server, issued), 1);
    let handshakes = "sse_broadcaster_tls_handshakes_total{outcome=\"challenge\"}";
    assert_eq!(metric_of::<usize>(&server, handshakes), 1);
    let expires: f64 = metric_of(&server, "sse_broadcaster_tls_certificate_expires_seconds");
    assert!(expires > 1.7e9, "{expires}");
    for name in ["account.json", "certificate.pem", "lock"] {
        assert_eq!(mode(&setting.file(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&setting.kept()), 0o700);
    assert_eq!(mode(setting.file("lock").parent().unwrap()), 0o700);
    let before = setting.authority.counts();
    drop(server);
    let server = setting.start(&[]);
    assert_eq!(served(&server, &trusts), Some(first));
    assert_eq!(setting.authority.counts(), before);
}

#[test]
fn a_challenge_is_answered_for_a_pending_name_by_its_protocol_alone() {
    let setting = Setting::new();
    let server = setting.started(&[]);
    let asked = |name: &str, protocols: &[&[u8]]| check::tls(server.address, name, protocols);
    for (name, protocols) in [
        (NAME, &[check::PROTOCOL][..]),
        ("b.example", &[check::PROTOCOL]),
        (NAME, &[check::PROTOCOL, b"http/1.1"]),
        (NAME, &[b"h2", check::PROTOCOL]),
    ] {
        asked(name, protocols).expect_err("nothing is pending");
    }
    let trusts = setting.authority.client();
    assert!(served(&server, &trusts).is_some());
}

#[test]
fn a_renewed_certificate_is_served_without_cutting_streams() {
    let setting = Setting::new();
    let server = setting.started(&[]);
    let trusts = setting.authority.client();
    let first = served(&server, &trusts).unwrap();
    let mut stream = connect_as(&server, &trusts, NAME);
    stream
        .write_all(b"GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    read_until(&mut stream, "200 OK");
    let (accounts, orders, _) = setting.authority.counts();
    // After two thirds and a thirtieth of 90 days it is due.
    setting.set_days_ahead(64);
    wait_until("it is renewed", || {
        served(&server, &trusts).is_some_and(|served| served != first)
    });
    let client = connect_as(&server, &trusts, NAME);
    request(client, "POST /events HTTP/1.1", "on the old stream");
    read_until(&mut stream, "data: on the old stream");
    let (accounts_then, orders_then, _) = setting.authority.counts();
    assert_eq!((accounts_then, orders_then), (accounts, orders + 1));
}

#[test]
fn a_server_that_is_killed_while_it_orders_goes_on_with_its_account() {
    let setting = Setting::new();
    let mut server = setting.ordering();
    server.signal("-KILL");
    server.wait();
    assert!(!setting.file("certificate.pem").exists());
    setting.authority.set_fault(Fault::None);
    let server = setting.started(&[]);
    assert!(served(&server, &setting.authority.client()).is_some());
    assert_eq!(setting.authority.counts().0, 1, "accounts");
}

#[test]
fn a_server_ends_while_it_orders() {
    let setting = Setting::new();
    let mut server = setting.ordering();
    server.signal("-HUP");
    server.wait_for_log("received SIGHUP");
    server.signal("-TERM");
    assert!(server.wait().success());
    assert!(!setting.file("certificate.pem").exists());
}

#[test]
fn of_two_servers_with_one_directory_one_orders_and_both_serve_the_certificate() {
    let setting = Setting::new();
    let first = setting.ordering();
    let mut second = setting.start(&["--log", "debug"]);
    second.wait_for_log("another process orders a certificate");
    setting.authority.set_fault(Fault::None);
    let trusts = setting.authority.client();
    wait_until("the first serves it", || served(&first, &trusts).is_some());
    wait_until("the second serves it", || {
        served(&second, &trusts).is_some()
    });
    assert_eq!(setting.authority.counts().1, 1, "orders");
}

#[test]
fn beside_certificates_of_files_the_ordered_one_is_for_its_names() {
    let setting = Setting::new();
    let own = crate::support::tunnel::Identity::get();
    let args = own.arguments();
    let args: Vec<_> = args.iter().map(String::as_str).collect();
    let server = setting.started(&args);
    assert!(served(&server, &setting.authority.client()).is_some());
    // Verified against the own one.
    let client = connect_as(&server, own.config(), "localhost");
    assert!(request(client, "GET /health/live HTTP/1.1", "").contains("200 OK"));
}

#[test]
fn names_are_proved_at_the_address_of_redirects_where_that_is_chosen() {
    let setting = Setting::new();
    let args = [
        "--redirect-http",
        "127.0.0.1:0",
        "--acme-challenge",
        "http-01",
    ];
    let mut server = setting.start(&[&args[..], &["--acme-domain", "b.example"]].concat());
    let line = server.wait_for_log("redirecting to https from ");
    let (_, address) = line.rsplit_once("http://").expect("an address");
    let address: std::net::SocketAddr = address.trim().parse().unwrap();
    setting.authority.leads_to("http-01", address);
    server.wait_for_log("the certificate for a.example and 1 more is valid until ");
    let trusts = setting.authority.client();
    assert!(served(&server, &trusts).is_some());
    let client = connect_as(&server, &trusts, "b.example");
    assert!(request(client, "GET /health/live HTTP/1.1", "").contains("200 OK"));
    let mut socket = TcpStream::connect(address).unwrap();
    let path = "/.well-known/acme-challenge/token";
    write!(socket, "GET {path} HTTP/1.1\r\nHost: a.example\r\n\r\n").unwrap();
    assert_eq!(crate::support::Response::read(socket).status, 308);
}

#[test]
fn a_certificate_is_renewed_early_if_the_authority_wants_that() {
    let setting = Setting::new();
    let mut server = setting.started(&[]);
    let trusts = setting.authority.client();
    let first = served(&server, &trusts).unwrap();
    setting.authority.want_renewals();
    // It is asked within six hours.
    clock::set(&setting.clock(), 7 * 3_600);
    server.wait_for_log("the authority wants the certificate to be renewed from 2020-");
    wait_until("it is renewed", || {
        served(&server, &trusts).is_some_and(|served| served != first)
    });
    assert_eq!(setting.authority.counts().1, 2, "orders");
}
