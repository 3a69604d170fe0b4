use super::*;

/// Sets the clock to a time at which the certificate is due, and has the server try at once.
fn try_now(server: &Server, setting: &Setting) {
    setting.set_days_ahead(64);
    server.signal("-HUP");
}

#[test]
fn whatever_an_authority_does_the_old_certificate_stays_and_the_log_says_why() {
    let setting = Setting::new();
    let mut server = setting.started(&[]);
    let trusts = setting.authority.client();
    let first = served(&server, &trusts).unwrap();
    for (fault, expected) in [
        (
            Fault::Status(500),
            "the authority responded 500; the next attempt is in ",
        ),
        (
            Fault::RateLimited,
            "too many\\r\\n\\u{1b}[2J orders (urn:ietf:params:acme:error:rateLimited); the next attempt is in ",
        ),
        (
            Fault::Garbage,
            "the authority's response is not what RFC 8555 says: ",
        ),
        (
            Fault::Endless,
            "no response of localhost that can be used: ",
        ),
        (Fault::Redirects, "the authority redirects, by 302"),
        (
            Fault::Refuses,
            "a.example: no\\nwill (urn:ietf:params:acme:error:unauthorized)",
        ),
        (
            Fault::OtherNames,
            "wants proof for other.example, which is not ordered",
        ),
        (Fault::OtherKey, "is not that of the first certificate"),
    ] {
        setting.authority.set_fault(fault);
        try_now(&server, &setting);
        let line = server.wait_for_log("no new certificate for a.example from https://localhost:");
        assert!(line.contains(expected), "{fault:?}: {line}");
        assert!(line.contains("and the old one is valid until "), "{line}");
        assert!(line.len() < 1_000, "{line}");
        assert_eq!(served(&server, &trusts).as_ref(), Some(&first), "{fault:?}");
    }
    let failed: usize = metric_of(
        &server,
        "sse_broadcaster_acme_orders_total{outcome=\"failed\"}",
    );
    assert_eq!(failed, 8);
    setting.authority.set_fault(Fault::None);
    try_now(&server, &setting);
    server.wait_for_log("the certificate for a.example is valid until ");
    assert_ne!(served(&server, &trusts).unwrap(), first);
}

#[test]
fn an_order_that_has_failed_is_repeated_when_its_delay_is_over() {
    let setting = Setting::new();
    setting.authority.set_fault(Fault::Status(503));
    let mut server = setting.start(&[]);
    setting.authority.leads_to("tls-alpn-01", server.address);
    let line = server.wait_for_log("no certificate for a.example from https://localhost:");
    assert!(
        line.contains("responded 503; the next attempt is in 2m"),
        "{line}"
    );
    clock::set(&setting.clock(), 180);
    let line = server.wait_for_log("no certificate for a.example from https://localhost:");
    let minutes = ["6m", "7m"].map(|minutes| format!("the next attempt is in {minutes}"));
    assert!(minutes.iter().any(|text| line.contains(text)), "{line}");
    setting.authority.set_fault(Fault::RateLimited);
    clock::set(&setting.clock(), 1_000);
    let line = server.wait_for_log("no certificate for a.example from https://localhost:");
    assert!(line.ends_with("the next attempt is in 1h"), "{line}");
    setting.authority.set_fault(Fault::None);
    clock::set(&setting.clock(), 5_000);
    server.wait_for_log("the certificate for a.example is valid until ");
}

#[test]
fn an_authority_that_never_ends_a_response_delays_nothing_but_the_order() {
    let setting = Setting::new();
    let mut server = setting.started(&[]);
    let trusts = setting.authority.client();
    setting.authority.set_fault(Fault::Hangs);
    try_now(&server, &setting);
    server.wait_for_log("ordering a certificate for a.example");
    let client = connect_as(&server, &trusts, NAME);
    assert!(request(client, "POST /events HTTP/1.1", "x").contains("200 OK"));
    server.wait_for_log("no new certificate for a.example from https://localhost:");
}

#[test]
fn files_that_cannot_be_used_are_replaced() {
    let setting = Setting::new();
    let server = setting.started(&[]);
    drop(server);
    for file in ["certificate.pem", "account.json"] {
        std::fs::write(setting.file(file), "garbage").unwrap();
    }
    let mut server = setting.start(&[]);
    setting.authority.leads_to("tls-alpn-01", server.address);
    server.wait_for_log("another one is needed");
    server.wait_for_log("the certificate for a.example is valid until ");
    assert!(
        server
            .log()
            .contains("a new certificate is ordered, since ")
    );
    assert_eq!(setting.authority.counts().0, 2, "accounts");
}

#[test]
fn a_certificate_that_has_expired_is_not_served_after_a_start() {
    let setting = Setting::new();
    drop(setting.started(&[]));
    clock::set(&setting.clock(), 91 * DAY);
    setting.authority.set_fault(Fault::Status(500));
    let mut server = setting.start(&[]);
    assert!(server.log().contains("has expired: a new one is ordered"));
    assert_eq!(served(&server, &setting.authority.client()), None);
}

#[test]
fn settings_of_orders_that_cannot_be_used_are_refused() {
    let setting = Setting::new();
    let file = setting.directory.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let file = file.to_str().unwrap();
    let below = format!("{file}/acme");
    let domain = ["--acme-domain", NAME];
    let named = [&domain[..], &["--acme-dir", "unused"]].concat();
    let agreed = [&named[..], &["--acme-agree-tos"]].concat();
    let in_file = [&domain[..], &["--acme-agree-tos", "--acme-dir", &below]].concat();
    let many: Vec<_> = (0..101).map(|n| format!("n{n}.example")).collect();
    let many = many.join(",");
    for (args, expected) in [
        (domain.to_vec(), "--acme-domain needs --acme-dir"),
        (named.clone(), "--acme-domain needs --acme-agree-tos"),
        (
            [&agreed[..], &["--acme-challenge", "http-01"]].concat(),
            "--acme-challenge http-01 needs --redirect-http",
        ),
        (
            [&agreed[..], &["--acme-ca", "/missing"]].concat(),
            "--acme-ca: /missing cannot be read: No such file",
        ),
        (
            [&agreed[..], &["--acme-ca", file]].concat(),
            "has no certificate: it must be in PEM",
        ),
        (in_file, "Not a directory"),
        (
            [&agreed[..], &["--acme-domain", &many]].concat(),
            "--acme-domain is given for 102 names: one certificate has at most 100",
        ),
    ] {
        let log = Server::try_spawn(command(&[&["--listen", "127.0.0.1:0"], &args[..]].concat()));
        let log = log.err().expect("it does not start");
        assert!(log.contains(expected), "{args:?}: {log}");
    }
    assert!(!Path::new("unused").exists());
}
