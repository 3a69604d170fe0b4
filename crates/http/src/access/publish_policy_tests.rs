//! The order of the checks, as one table of cases.

use std::net::IpAddr;

use super::*;

const CHROME: &str = "Mozilla/5.0 Chrome/156";

struct Case {
    name: &'static str,
    access: fn() -> Access,
    method: &'static str,
    version: Version,
    headers: &'static [(&'static str, &'static str)],
    refused: Option<&'static str>,
}

impl RequestHead for Case {
    fn method(&self) -> &str {
        self.method
    }

    fn version(&self) -> Version {
        self.version
    }

    fn query(&self) -> &'static str {
        ""
    }

    fn peer_ip(&self) -> Option<IpAddr> {
        None
    }

    fn header(&self, name: &str) -> Option<&[u8]> {
        let mut headers = self.headers.iter();
        let found = headers.find(|header| header.0 == name)?;
        Some(found.1.as_bytes())
    }

    fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let named = self.headers.iter().filter(move |header| header.0 == name);
        named.map(|(_, value)| value.as_bytes())
    }

    fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| *name)
    }
}

fn local() -> Access {
    with(Publishers::Local)
}

fn anyone() -> Access {
    with(Publishers::Anyone)
}

fn keyed() -> Access {
    with(Publishers::Keys(["old", "s3cret"].into_iter().collect()))
}

fn with(publishers: Publishers) -> Access {
    Access {
        publishers,
        publish_origins: vec!["https://app.example.com".into()],
        ..Access::default()
    }
}

fn post(
    name: &'static str,
    access: fn() -> Access,
    headers: &'static [(&'static str, &'static str)],
    refused: Option<&'static str>,
) -> Case {
    Case {
        name,
        access,
        method: "POST",
        version: Version::HTTP_11,
        headers,
        refused,
    }
}

fn get(mut case: Case) -> Case {
    case.method = "GET";
    case
}

fn http_1_0(mut case: Case) -> Case {
    case.version = Version::HTTP_10;
    case
}

#[rustfmt::skip]
fn cases() -> Vec<Case> {
    vec![
        post("curl on localhost", local, &[("host", "localhost:8000"), ("user-agent", "curl/8")], None),
        post("curl on 127.0.0.1", local, &[("host", "127.0.0.1:8000")], None),
        post("curl on [::1]", local, &[("host", "[::1]:8000")], None),
        get(post("curl GET", local, &[("host", "127.0.0.1"), ("user-agent", "curl/8")], None)),
        post("our page", local, &[("host", "127.0.0.1:8000"), ("origin", "http://127.0.0.1:8000"), ("sec-fetch-site", "same-origin")], None),
        post("our page, old browser", local, &[("host", "localhost:8000"), ("origin", "http://localhost:8000")], None),
        get(post("the address bar", local, &[("host", "localhost:8000"), ("sec-fetch-site", "none"), ("user-agent", CHROME)], None)),
        get(post("a prefetch", local, &[("host", "localhost"), ("sec-fetch-site", "none"), ("sec-purpose", "prefetch")], Some("prefetch"))),
        get(post("a prerender", local, &[("host", "localhost"), ("sec-fetch-site", "none"), ("sec-purpose", "prefetch;prerender")], Some("prefetch"))),
        get(post("img on localhost", local, &[("host", "localhost"), ("sec-fetch-site", "cross-site"), ("user-agent", CHROME)], Some("foreign_page"))),
        post("another port of localhost", local, &[("host", "localhost:8000"), ("origin", "http://localhost:3000"), ("sec-fetch-site", "same-site")], Some("foreign_page")),
        post("a form of another site, old browser", local, &[("host", "localhost:8000"), ("origin", "https://evil.example")], Some("foreign_page")),
        post("a sandboxed page", local, &[("host", "localhost:8000"), ("origin", "null")], Some("foreign_page")),
        get(post("a browser's GET without a sign", anyone, &[("host", "10.0.0.7:8000"), ("user-agent", CHROME)], Some("foreign_page"))),
        post("a browser's POST without a sign", anyone, &[("host", "10.0.0.7:8000"), ("user-agent", CHROME)], None),
        post("a rebound name", local, &[("host", "evil.example:8000"), ("origin", "http://evil.example:8000"), ("sec-fetch-site", "same-origin")], Some("foreign_host")),
        post("a rebound name, anonymous", anyone, &[("host", "evil.example:8000"), ("origin", "http://evil.example:8000"), ("sec-fetch-site", "same-origin")], Some("foreign_host")),
        post("our page by address", anyone, &[("host", "10.0.0.7:8000"), ("origin", "http://10.0.0.7:8000")], None),
        post("our page under a listed name", anyone, &[("host", "app.example.com"), ("origin", "http://app.example.com"), ("sec-fetch-site", "same-origin")], None),
        post("a listed page", local, &[("host", "localhost:8000"), ("origin", "https://app.example.com"), ("sec-fetch-site", "cross-site")], None),
        post("a listed page, another name", anyone, &[("host", "events.example.com"), ("origin", "https://app.example.com"), ("sec-fetch-site", "same-site")], None),
        post("a service name", anyone, &[("host", "broadcaster:8000"), ("user-agent", "python-httpx")], None),
        post("a service name, local", local, &[("host", "host.docker.internal:8000")], Some("not_local")),
        post("no host", local, &[], Some("not_local")),
        http_1_0(post("HTTP/1.0", local, &[("host", "localhost")], Some("not_local"))),
        http_1_0(post("HTTP/1.0, anonymous", anyone, &[("host", "localhost")], None)),
        post("a proxy", local, &[("host", "localhost"), ("x-forwarded-for", "1.2.3.4")], Some("not_local")),
        post("another proxy", local, &[("host", "localhost"), ("via", "1.1 caddy")], Some("not_local")),
        post("Cloudflare", local, &[("host", "localhost"), ("cf-connecting-ip", "1.2.3.4")], Some("not_local")),
        post("a proxy, anonymous", anyone, &[("host", "x"), ("forwarded", "for=1.2.3.4")], None),
        post("the right key", keyed, &[("host", "x"), ("authorization", "Bearer s3cret")], None),
        post("the other key", keyed, &[("authorization", "bearer old")], None),
        post("a key from another site", keyed, &[("host", "x"), ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"), ("authorization", "Bearer s3cret")], None),
        post("a key through a proxy", keyed, &[("host", "x"), ("x-forwarded-for", "1"), ("authorization", "Bearer s3cret")], None),
        post("a wrong key", keyed, &[("host", "localhost"), ("authorization", "Bearer s3cre")], Some("wrong_key")),
        post("a longer key", keyed, &[("host", "localhost"), ("authorization", "Bearer s3cret1")], Some("wrong_key")),
        post("an empty key", keyed, &[("host", "localhost"), ("authorization", "Bearer ")], Some("key_missing")),
        post("no key on localhost", keyed, &[("host", "localhost")], Some("key_missing")),
        post("a listed page without the key", keyed, &[("host", "localhost"), ("origin", "https://app.example.com")], Some("key_missing")),
        post("nobody", || with(Publishers::Nobody), &[("host", "localhost"), ("authorization", "Bearer s3cret")], Some("publishing_disabled")),
    ]
}

#[test]
fn each_request_is_admitted_or_refused_by_the_first_check_that_concerns_it() {
    for case in cases() {
        let permit = (case.access)().may_publish(&case);
        let code = permit.err().map(|refusal| refusal.code());
        assert_eq!(code, case.refused, "{}", case.name);
    }
}
