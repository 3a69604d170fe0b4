use super::*;
use crate::issuer::Purpose;

fn credentials<'a>() -> Credentials<'a> {
    Credentials::new(Purpose::Publish)
}

#[test]
fn a_header_counts_before_a_cookie_and_a_cookie_before_the_query() {
    let all = || credentials().cookie_token(Some("c")).query_token(Some("q"));
    let token = |credentials: Credentials<'static>| credentials.token().unwrap();
    assert_eq!(
        token(all().authorization(b"Bearer h")),
        Some((Source::Header, "h"))
    );
    assert_eq!(token(all()), Some((Source::Cookie, "c")));
    assert_eq!(
        token(credentials().query_token(Some("q"))),
        Some((Source::Query, "q"))
    );
    assert_eq!(token(credentials().cookie_token(Some(""))), None);
    assert_eq!(token(credentials()), None);
    for header in ["bearer h", "BEARER h", "Bearer  h "] {
        let credentials = all().authorization(header.as_bytes());
        assert_eq!(credentials.token().unwrap(), Some((Source::Header, "h")));
    }
}

#[test]
fn a_bad_header_is_an_error_and_never_falls_back_to_a_cookie() {
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer a b",
        "Basic dXNlcjpwYXNz",
        "Token t",
        "t",
        "Bearer\tt",
        "Bearer a\tb",
        " Bearer t",
    ] {
        let credentials = credentials()
            .cookie_token(Some("right"))
            .query_token(Some("right"))
            .authorization(header.as_bytes());
        let refused = credentials.token().unwrap_err();
        assert_eq!(refused.code(), "authorization_malformed", "{header:?}");
        assert_eq!(AuthorizeError::from(refused).status(), 400);
    }
    assert!(credentials().authorization(b"Bearer \xFF").token().is_err());
    let twice = credentials()
        .authorization(b"Bearer a")
        .authorization(b"Bearer a");
    assert!(twice.token().is_err());
}

#[test]
fn no_credential_shows_in_debug_output() {
    let credentials = credentials()
        .authorization(b"Bearer secret")
        .cookie_token(Some("secret"))
        .query_token(Some("secret"))
        .cookies("a=secret")
        .header("x", "secret");
    assert!(!format!("{credentials:?}").contains("secret"));
}

#[test]
fn a_cookie_is_found_by_its_name_alone() {
    let header = "a=1; token=t=1; xtoken=2;token=3; q=\"quoted\"; empty=";
    for (name, value) in [
        ("token", Some("t=1")),
        ("a", Some("1")),
        ("q", Some("quoted")),
        ("empty", Some("")),
        ("oken", None),
        ("Token", None),
        ("", None),
    ] {
        assert_eq!(cookie_value(header, name), value, "{name}");
    }
    assert_eq!(cookie_value("", "a"), None);
    assert_eq!(cookie_value("a", "a"), None);
}
