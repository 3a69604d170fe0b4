use proptest::prelude::*;

use super::*;

fn read(bytes: &[u8]) -> Result<Option<ProxyHeader>, NotProxied> {
    ProxyHeader::read(bytes)
}

fn client(text: &str) -> ProxiedClient {
    ProxiedClient::Address(text.parse().unwrap())
}

fn v2_header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut header = V2_SIGNATURE.to_vec();
    header.extend([command, family]);
    header.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    header.extend(rest);
    header
}

const V4: [u8; 12] = [192, 0, 2, 1, 10, 0, 0, 1, 0x10, 0, 0, 80];

fn v6() -> Vec<u8> {
    let addresses = ["2001:db8::1", "::1"].map(|text| text.parse::<Ipv6Addr>().unwrap());
    let addresses = addresses.into_iter().flat_map(|address| address.octets());
    addresses.chain([0x10, 0, 0, 80]).collect()
}

#[test]
fn a_line_of_version_1_names_the_client_and_its_end_is_known() {
    for (line, expected) in [
        (
            "PROXY TCP4 192.0.2.1 10.0.0.1 56324 443",
            client("192.0.2.1:56324"),
        ),
        (
            "PROXY TCP6 2001:db8::1 ::1 0 65535",
            client("[2001:db8::1]:0"),
        ),
        ("PROXY UNKNOWN", ProxiedClient::Unknown),
        (
            "PROXY UNKNOWN ffff:f...f:ffff \u{e9} 1 2 3",
            ProxiedClient::Unknown,
        ),
    ] {
        let text = format!("{line}\r\nGET / HTTP/1.1\r\n");
        let length = line.len() + 2;
        let whole = ProxyHeader {
            client: expected,
            length,
        };
        assert_eq!(read(text.as_bytes()), Ok(Some(whole)), "{line}");
        for end in 0..length {
            assert_eq!(read(&text.as_bytes()[..end]), Ok(None), "{line} {end}");
        }
    }
}

#[test]
fn a_malformed_line_of_version_1_is_no_header() {
    for line in [
        "PROXY TCP4 192.0.2.1 10.0.0.1 56324",
        "PROXY TCP4 192.0.2.1 10.0.0.1 56324 443 1",
        "PROXY TCP4 192.0.2.1  10.0.0.1 56324 443",
        "PROXY TCP4 192.0.2.1 10.0.0.1 056324 443",
        "PROXY TCP4 192.0.2.1 10.0.0.1 65536 443",
        "PROXY TCP4 192.0.2.1 10.0.0.1 +1 443",
        "PROXY TCP4 2001:db8::1 ::1 1 2",
        "PROXY TCP4 192.0.2.256 10.0.0.1 1 2",
        "PROXY TCP6 192.0.2.1 10.0.0.1 1 2",
        "PROXY UDP4 192.0.2.1 10.0.0.1 1 2",
        "PROXY unknown",
        "PROXY ",
        "PROXY  UNKNOWN",
    ] {
        assert!(read(format!("{line}\r\n").as_bytes()).is_err(), "{line}");
    }
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
    assert_eq!(read(&endless.as_bytes()[..MAX_V1_BYTES - 1]), Ok(None));
    assert!(read(endless.as_bytes()).is_err());
}

#[test]
fn a_header_of_version_2_names_the_client_and_what_follows_its_addresses_is_passed_over() {
    let unix = [b'/'; 216];
    let tlvs = [&V4[..], &[0x03, 0, 4, 1, 2, 3, 4]].concat();
    for (command, family, rest, expected) in [
        (0x21, 0x11, &V4[..], client("192.0.2.1:4096")),
        (0x21, 0x11, &tlvs, client("192.0.2.1:4096")),
        (0x21, 0x21, &v6(), client("[2001:db8::1]:4096")),
        (0x21, 0x31, &unix, ProxiedClient::Unknown),
        (0x21, 0x00, &[], ProxiedClient::Unknown),
        (0x20, 0x00, &[], ProxiedClient::Proxy),
        (0x20, 0x11, &V4, ProxiedClient::Proxy),
        (0x20, 0xff, &[9], ProxiedClient::Proxy),
    ] {
        let header = v2_header(command, family, rest);
        let whole = ProxyHeader {
            client: expected,
            length: header.len(),
        };
        let bytes = [&header[..], b"GET /"].concat();
        assert_eq!(read(&bytes), Ok(Some(whole)), "{header:?}");
        for end in 0..header.len() {
            assert_eq!(read(&bytes[..end]), Ok(None), "{header:?} {end}");
        }
    }
}

#[test]
fn a_malformed_or_long_header_of_version_2_is_no_header() {
    for (command, family, rest) in [
        (0x11, 0x11, &V4[..]),
        (0x22, 0x11, &V4),
        (0x21, 0x11, &V4[..11]),
        (0x21, 0x21, &V4),
        (0x21, 0x31, &V4),
        (0x21, 0x12, &V4),
        (0x21, 0x41, &V4),
        (0x21, 0x01, &V4),
    ] {
        assert!(
            read(&v2_header(command, family, rest)).is_err(),
            "{command} {family}"
        );
    }
    let long = v2_header(0x21, 0x11, &[0; MAX_V2_BYTES + 1]);
    assert!(
        read(&long[..V2_FIXED_BYTES]).is_err(),
        "before the rest has come"
    );
    let longest = v2_header(0x20, 0x11, &[0; MAX_V2_BYTES]);
    assert_eq!(longest.len(), MAX_PROXY_HEADER_BYTES);
    assert!(matches!(read(&longest), Ok(Some(_))));
}

#[test]
fn what_clients_of_http_and_tls_send_is_no_header() {
    for bytes in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"\x16\x03\x01",
        b"\r\n\r\nGET",
        b"POST",
        b"proxy ",
        b"PROXYTCP4",
        b"PRI *",
    ] {
        assert!(read(bytes).is_err(), "{bytes:?}");
    }
    assert_eq!(read(b""), Ok(None));
}

#[test]
fn a_client_that_is_not_known_has_the_address_that_nobody_trusts() {
    let proxy = Some("127.0.0.1:1".parse().unwrap());
    assert_eq!(ProxiedClient::Proxy.peer(proxy), proxy);
    assert!(
        ProxiedClient::Unknown
            .peer(proxy)
            .unwrap()
            .ip()
            .is_unspecified()
    );
}

proptest! {
    #[test]
    fn whatever_is_sent_is_read_within_its_bounds_and_the_same_with_more_behind_it(
        begin in prop_oneof![Just(&b""[..]), Just(V1_BEGIN), Just(&V2_SIGNATURE[..]), Just(&b"PROXY TCP4 "[..])],
        rest in prop::collection::vec(any::<u8>(), 0..300),
        more in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let bytes = [begin, &rest].concat();
        let found = read(&bytes);
        if let Ok(Some(header)) = found {
            prop_assert!(header.length <= bytes.len().min(MAX_PROXY_HEADER_BYTES));
            prop_assert_eq!(read(&[&bytes[..], &more].concat()), found);
            for end in 0..header.length {
                prop_assert_eq!(read(&bytes[..end]), Ok(None));
            }
        }
        if found.is_err() {
            prop_assert!(read(&[&bytes[..], &more].concat()).is_err());
        }
    }

    #[test]
    fn a_client_is_read_as_a_proxy_writes_it(client: SocketAddr, server: SocketAddr) {
        let kind = if client.is_ipv4() { "TCP4" } else { "TCP6" };
        prop_assume!(client.is_ipv4() == server.is_ipv4());
        let line = format!("PROXY {kind} {} {} {} {}\r\n", client.ip(), server.ip(), client.port(), server.port());
        let found = read(line.as_bytes()).unwrap().unwrap();
        let found = match found.client {
            ProxiedClient::Address(address) => (address.ip(), address.port()),
            other => panic!("{other:?}"),
        };
        prop_assert_eq!(found, (client.ip(), client.port()));
    }
}
