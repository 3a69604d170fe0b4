use http::Version;
use proptest::prelude::*;

use super::*;

/// A request from this peer with these headers.
struct Request<'a> {
    peer: Option<&'a str>,
    headers: Vec<(&'a str, &'a str)>,
}

impl RequestHead for Request<'_> {
    fn method(&self) -> &'static str {
        "GET"
    }

    fn version(&self) -> Version {
        Version::HTTP_11
    }

    fn query(&self) -> &'static str {
        ""
    }

    fn peer_ip(&self) -> Option<IpAddr> {
        self.peer.map(|peer| peer.parse().unwrap())
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        let header = headers.find(|(own, _)| *own == name);
        header.map(|(_, value)| value.as_bytes())
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let headers = self.headers.iter().filter(move |(own, _)| *own == name);
        headers.map(|(_, value)| value.as_bytes())
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| *name)
    }
}

fn proxies() -> TrustedProxies {
    TrustedProxies::parse(["10.0.0.0/8", "2001:db8::/32", "unix"]).unwrap()
}

fn forwarded() -> TrustedProxies {
    proxies().header(ForwardedHeader::Forwarded)
}

/// The client's address and scheme, of a request from the proxy 10.0.0.1 whose header has these lines.
fn found(proxies: &TrustedProxies, header: &str, lines: &[&str]) -> (String, Option<&'static str>) {
    let headers = lines.iter().map(|line| (header, *line)).collect();
    let peer = Some("10.0.0.1");
    let request = Request { peer, headers };
    let ip = proxies.client_ip(&request).unwrap();
    (ip.to_string(), proxies.scheme(&request))
}

fn client(lines: &[&str]) -> String {
    found(&proxies(), "x-forwarded-for", lines).0
}

#[test]
fn the_client_is_the_last_address_of_x_forwarded_for_that_is_no_trusted_proxy() {
    for (lines, expected) in [
        (&["192.0.2.1"][..], "192.0.2.1"),
        (&["6.6.6.6, 192.0.2.1"], "192.0.2.1"),
        (&["6.6.6.6, 192.0.2.1, 10.0.0.2,10.0.0.3"], "192.0.2.1"),
        (&["6.6.6.6", "192.0.2.1", "10.0.0.2"], "192.0.2.1"),
        (&["6.6.6.6, 192.0.2.1, ,", ""], "192.0.2.1"),
        (&["192.0.2.1:4711"], "192.0.2.1"),
        (&["2a00::1"], "2a00::1"),
        (&["[2a00::1]"], "2a00::1"),
        (&["[2a00::1]:4711"], "2a00::1"),
        (&["6.6.6.6, [2001:db8::5]:80"], "6.6.6.6"),
        (&["::ffff:192.0.2.1"], "192.0.2.1"),
        (&["6.6.6.6, ::ffff:192.0.2.1, ::ffff:10.9.9.9"], "192.0.2.1"),
        (&["fe80::1%eth0"], "fe80::1"),
        // All are proxies: the first of them may be a client itself.
        (&["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ] {
        assert_eq!(client(lines), expected, "{lines:?}");
    }
}

#[test]
fn malformed_text_is_never_passed_over_to_what_a_client_wrote_before_it() {
    for (lines, expected) in [
        (&[][..], "10.0.0.1"),
        (&["", ","], "10.0.0.1"),
        (&["unknown"], "10.0.0.1"),
        (&["6.6.6.6, unknown"], "10.0.0.1"),
        (&["6.6.6.6, _hidden, 10.0.0.2"], "10.0.0.2"),
        (&["6.6.6.6, 10.0.0.256, 10.0.0.2"], "10.0.0.2"),
        (&["6.6.6.6 , 192.0.2.1 192.0.2.2"], "10.0.0.1"),
        (&["6.6.6.6, 0.0.0.0"], "10.0.0.1"),
        (&["6.6.6.6, ::"], "10.0.0.1"),
        (&["6.6.6.6, [::1"], "10.0.0.1"),
        (&["6.6.6.6, ::1]"], "10.0.0.1"),
        (&["6.6.6.6, [192.0.2.1]"], "10.0.0.1"),
        (&["6.6.6.6, 192.0.2.1:99999"], "10.0.0.1"),
        (&["6.6.6.6, 192.0.2.1:+1"], "10.0.0.1"),
        (&["6.6.6.6, 2a00::1%eth0"], "10.0.0.1"),
        (&["6.6.6.6, \"192.0.2.1\""], "10.0.0.1"),
        (&["6.6.6.6, localhost"], "10.0.0.1"),
        (&["6.6.6.6, 192.0.2.1\u{e9}"], "10.0.0.1"),
    ] {
        assert_eq!(client(lines), expected, "{lines:?}");
    }
}

#[test]
fn headers_of_peers_that_are_not_trusted_have_no_effect() {
    let request = |peer| Request {
        peer,
        headers: vec![
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-proto", "https"),
        ],
    };
    for peer in [
        "203.0.113.1",
        "::ffff:203.0.113.1",
        "2a00::1",
        "::",
        "0.0.0.0",
    ] {
        let everybody = TrustedProxies::parse(["::1"]).unwrap();
        for proxies in [&everybody, &proxies(), &TrustedProxies::default()] {
            let own: IpAddr = peer.parse().unwrap();
            assert_eq!(
                proxies.client_ip(&request(Some(peer))),
                Some(own.to_canonical())
            );
            assert_eq!(proxies.scheme(&request(Some(peer))), None);
        }
    }
    let addresses_alone = TrustedProxies::parse(["0.0.0.0/0", "::/0"]).unwrap();
    assert_eq!(addresses_alone.client_ip(&request(None)), None);
    assert_eq!(
        addresses_alone.client_ip(&request(Some("::"))),
        "::".parse().ok()
    );
    let client = Some("192.0.2.1".parse().unwrap());
    assert_eq!(proxies().client_ip(&request(None)), client);
    assert_eq!(
        proxies().client_ip(&request(Some("::ffff:10.0.0.1"))),
        client
    );
}

#[test]
fn only_the_header_that_the_settings_name_is_read() {
    let both = |proxies: &TrustedProxies| {
        let request = Request {
            peer: Some("10.0.0.1"),
            headers: vec![
                ("x-forwarded-for", "192.0.2.1"),
                ("x-forwarded-proto", "http"),
                ("forwarded", "for=192.0.2.2;proto=https"),
            ],
        };
        (
            proxies.client_ip(&request).unwrap().to_string(),
            proxies.scheme(&request),
        )
    };
    assert_eq!(both(&proxies()), ("192.0.2.1".to_owned(), Some("http")));
    assert_eq!(both(&forwarded()), ("192.0.2.2".to_owned(), Some("https")));
    assert_eq!(
        found(&proxies(), "forwarded", &["for=6.6.6.6"]).0,
        "10.0.0.1"
    );
}

#[test]
fn the_client_of_forwarded_is_found_in_all_that_rfc_7239_allows() {
    for (lines, expected, scheme) in [
        (&["for=192.0.2.1"][..], "192.0.2.1", None),
        (
            &["For=\"[2a00::1]:4711\";Proto=HTTPS;by=10.0.0.1"],
            "2a00::1",
            Some("https"),
        ),
        (&["for=\"192.0.2.1:_port\""], "192.0.2.1", None),
        (&["for=\"[2a00::1]:_port\""], "2a00::1", None),
        (
            &["for=6.6.6.6, for=192.0.2.1;proto=https, for=10.0.0.2;proto=http"],
            "192.0.2.1",
            Some("https"),
        ),
        (
            &["for=6.6.6.6", "for=192.0.2.1", "for=10.0.0.2"],
            "192.0.2.1",
            None,
        ),
        (
            &["for=192.0.2.1;host=\"a, for=6.6.6.6\""],
            "192.0.2.1",
            None,
        ),
        (
            &["for=192.0.2.1;host=\"a\\\"; for=6.6.6.6, for=6.6.6.6\""],
            "192.0.2.1",
            None,
        ),
        (
            &["for=192.0.2.1 ; proto = https"],
            "192.0.2.1",
            Some("https"),
        ),
        (&["for=\"192.0.\\2.1\""], "192.0.2.1", None),
        (&["for=192.0.2.1:80"], "192.0.2.1", None),
        (&["for=[2a00::1];secret=x"], "2a00::1", None),
        // Nothing certain is further than this.
        (
            &["for=6.6.6.6, for=unknown;proto=https"],
            "10.0.0.1",
            Some("https"),
        ),
        (
            &["for=6.6.6.6, for=_hidden, for=10.0.0.2"],
            "10.0.0.2",
            None,
        ),
        (&["for=6.6.6.6, proto=https"], "10.0.0.1", Some("https")),
        (
            &["for=6.6.6.6, for=192.0.2.1;for=192.0.2.2"],
            "10.0.0.1",
            None,
        ),
        (&["for=6.6.6.6, 192.0.2.1"], "10.0.0.1", None),
        (&["for=6.6.6.6, for="], "10.0.0.1", None),
        (&["for=6.6.6.6, for=\"192.0.2.1"], "10.0.0.1", None),
        (&["for=6.6.6.6, for=192.0.2.1\""], "10.0.0.1", None),
        (
            &["for=6.6.6.6, for=192.0.2.1;;proto=https"],
            "192.0.2.1",
            Some("https"),
        ),
        (&["for=6.6.6.6, ; for=192.0.2.1;"], "192.0.2.1", None),
        (&["for=6.6.6.6, ;"], "10.0.0.1", None),
        (&["for=6.6.6.6, for=\"192.0.2.1\"x"], "10.0.0.1", None),
        (&["for=6.6.6.6, =192.0.2.1"], "10.0.0.1", None),
        (&["for=192.0.2.1;proto=ftp"], "192.0.2.1", None),
    ] {
        let found = found(&forwarded(), "forwarded", lines);
        assert_eq!(found, (expected.to_owned(), scheme), "{lines:?}");
    }
}

#[test]
fn a_quote_that_a_client_left_open_does_not_hide_what_the_proxy_wrote_behind_it() {
    for begun in [
        "for=\"",
        "for=\"\\",
        "by=\"x\\\"",
        "host=\"a\\\\\\\"",
        "\"",
        "for=6.6.6.6;by=\",",
    ] {
        let line = format!("{begun}, for=192.0.2.1;host=\"a:1\"");
        assert_eq!(
            found(&forwarded(), "forwarded", &[&line]).0,
            "192.0.2.1",
            "{line}"
        );
    }
}

#[test]
fn the_scheme_is_that_of_the_proxy_to_which_the_client_came() {
    for (clients, schemes, expected) in [
        ("192.0.2.1", &["https"][..], Some("https")),
        ("192.0.2.1", &["HTTPS"], Some("https")),
        ("192.0.2.1", &["https, http"], Some("http")),
        ("192.0.2.1", &["https", "http"], Some("http")),
        ("192.0.2.1, 10.0.0.2", &["https, http"], Some("https")),
        ("192.0.2.1, 10.0.0.2", &["https"], Some("https")),
        ("192.0.2.1", &["wss"], None),
        ("192.0.2.1", &[], None),
        ("", &["https"], Some("https")),
        ("unknown", &["https"], Some("https")),
    ] {
        let schemes = schemes.iter().map(|scheme| ("x-forwarded-proto", *scheme));
        let headers = [("x-forwarded-for", clients)].into_iter().chain(schemes);
        let peer = Some("10.0.0.1");
        let request = Request {
            peer,
            headers: headers.collect(),
        };
        assert_eq!(
            proxies().scheme(&request),
            expected,
            "{clients} {:?}",
            request.headers
        );
    }
}

#[test]
fn a_request_is_followed_through_a_bounded_number_of_proxies() {
    let line = |proxies| format!("192.0.2.1{}", ", 10.0.0.2".repeat(proxies));
    assert_eq!(client(&[&line(MAX_HOPS - 1)]), "192.0.2.1");
    assert_eq!(client(&[&line(MAX_HOPS)]), "10.0.0.2");
    assert_eq!(client(&[&line(10_000)]), "10.0.0.2");
}

#[test]
fn proxies_are_replaced_for_all_clones_and_shown_as_they_were_given() {
    let proxies = proxies();
    let clone = proxies.clone();
    assert_eq!(proxies.to_string(), "10.0.0.0/8, 2001:db8::/32, unix");
    proxies.replace(&TrustedProxies::parse(["192.0.2.1"]).unwrap());
    assert!(clone.trusts("192.0.2.1".parse().ok()) && !clone.trusts(None));
}

proptest! {
    #[test]
    fn what_the_nearest_proxy_wrote_counts_whatever_stands_before_it(before in "[ -~]{0,40}", client: IpAddr) {
        prop_assume!(!proxies().trusts(Some(client)) && !client.to_canonical().is_unspecified());
        let expected = client.to_canonical().to_string();
        let line = format!("{before}, {client}");
        prop_assert_eq!(&found(&proxies(), "x-forwarded-for", &[&line]).0, &expected);
        let node = match client {
            IpAddr::V4(client) => client.to_string(),
            IpAddr::V6(client) => format!("\"[{client}]:80\""),
        };
        let line = format!("{before}, for={node};proto=https");
        prop_assert_eq!(found(&forwarded(), "forwarded", &[&line]), (expected, Some("https")));
    }

    #[test]
    fn no_header_makes_a_request_panic_or_gives_an_address_that_is_not_in_it(line in "[ -~]{0,60}") {
        for (proxies, name) in [(proxies(), "x-forwarded-for"), (forwarded(), "forwarded")] {
            let ip = found(&proxies, name, &[&line]).0;
            let is_of_line = ip == "10.0.0.1" || ip.contains(':') || line.replace('\\', "").contains(&ip);
            prop_assert!(is_of_line, "{} {}", line, ip);
        }
    }
}
