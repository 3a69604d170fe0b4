//! Checks that origins of pages and names of the server have the form in which browsers send them. Any other
//! could never match, and is rejected with the right one.

use url::Url;

/// An origin whose pages may publish. Never `*`, with which every page could publish in the name of its visitors.
pub(super) fn publisher(text: &str) -> Result<String, String> {
    let text = text.trim();
    let bare = text.strip_suffix('/').unwrap_or(text).to_ascii_lowercase();
    if bare.is_empty() {
        return Ok(bare);
    }
    if bare.contains('*') {
        return Err("an origin has no *: list each origin whose pages may".to_owned());
    }
    let example = "an origin is a scheme and a host, for example https://app.example.com";
    let url = Url::parse(&bare).map_err(|_| example.to_owned())?;
    let right = match url.scheme() {
        "http" | "https" => url.origin().ascii_serialization(),
        // A page that opens a WebSocket has the scheme that it was loaded by.
        "ws" | "wss" => url.origin().ascii_serialization().replacen("ws", "http", 1),
        "file" | "ftp" | "data" | "blob" | "about" | "javascript" => {
            return Err(format!(
                "browsers send no origin of {}: pages; {example}",
                url.scheme()
            ));
        }
        // The schemes of extensions and apps.
        scheme => match (url.host_str(), url.port()) {
            (None | Some(""), _) => return Err(example.to_owned()),
            (Some(host), None) => format!("{scheme}://{host}"),
            (Some(host), Some(port)) => format!("{scheme}://{host}:{port}"),
        },
    };
    if right == bare {
        return Ok(bare);
    }
    Err(format!(
        "no browser sends this as its Origin; write {right}"
    ))
}

pub(super) fn reader(text: &str) -> Result<String, String> {
    match text.trim() {
        "*" => Ok("*".to_owned()),
        text => publisher(text),
    }
}

/// The name of a host, without scheme and port.
pub(super) fn host(text: &str) -> Result<String, String> {
    let text = text.trim();
    let bare = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if bare.is_empty() || bare == "*" {
        return Ok(bare);
    }
    let url = if bare.contains("://") {
        Url::parse(&bare)
    } else {
        Url::parse(&format!("http://{bare}"))
    };
    let right = url.ok().and_then(|url| url.host_str().map(str::to_owned));
    match right.filter(|right| !right.contains('*')) {
        Some(right) if right == bare => Ok(bare),
        Some(right) => Err(format!(
            "a host is a name without scheme and port; write {right}"
        )),
        None => Err("a host is a name, for example events.example.com, or * for any".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_accepted_as_browsers_send_them() {
        for (text, origin) in [
            ("https://app.example.com", "https://app.example.com"),
            (" https://App.Example.com/ ", "https://app.example.com"),
            ("http://localhost:3000", "http://localhost:3000"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            (
                "https://xn--bcher-kva.example",
                "https://xn--bcher-kva.example",
            ),
            ("https://my_host.example", "https://my_host.example"),
            (
                "chrome-extension://abcdefghijklmnop",
                "chrome-extension://abcdefghijklmnop",
            ),
            ("moz-extension://0b1c-2d", "moz-extension://0b1c-2d"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("app://host:81", "app://host:81"),
            ("", ""),
        ] {
            assert_eq!(publisher(text).as_deref(), Ok(origin), "{text}");
            assert_eq!(reader(text).as_deref(), Ok(origin), "{text}");
        }
        assert_eq!(reader(" * ").as_deref(), Ok("*"));
    }

    #[test]
    fn an_origin_that_no_browser_sends_is_rejected_with_the_one_that_it_does() {
        for (text, right) in [
            ("https://app.example.com:443", "https://app.example.com"),
            ("http://app.example.com:80/", "http://app.example.com"),
            ("http://app.example.com:080", "http://app.example.com"),
            (
                "http://app.example.com:08080",
                "http://app.example.com:8080",
            ),
            ("http://app.example.com:", "http://app.example.com"),
            ("https://app.example.com/path", "https://app.example.com"),
            ("https://app.example.com//", "https://app.example.com"),
            ("https://app.example.com?a", "https://app.example.com"),
            ("https://app.example.com#a", "https://app.example.com"),
            ("https://me@app.example.com", "https://app.example.com"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
            ("https://app%2eexample.com", "https://app.example.com"),
            ("https:app.example.com", "https://app.example.com"),
            ("https:\\\\app.example.com", "https://app.example.com"),
            ("http://127.1:8000", "http://127.0.0.1:8000"),
            ("http://[0:0::1]", "http://[::1]"),
            ("wss://app.example.com:443", "https://app.example.com"),
            ("ws://app.example.com:8000", "http://app.example.com:8000"),
            ("chrome-extension://abc/page.html", "chrome-extension://abc"),
        ] {
            let rejected = publisher(text).expect_err(text);
            assert!(
                rejected.ends_with(&format!("write {right}")),
                "{text}: {rejected}"
            );
            assert!(publisher(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn what_is_no_origin_is_rejected_with_an_example() {
        for text in [
            "null",
            "app.example.com",
            "localhost:3000",
            "https://",
            "https://a b",
            "https://app.example.com:port",
            "https://app.example.com:65536",
            "file:///home/page.html",
            "about:blank",
            "data:text/html,x",
            "://a",
        ] {
            let rejected = publisher(text).expect_err(text);
            assert!(
                rejected.contains("https://app.example.com"),
                "{text}: {rejected}"
            );
        }
        for text in ["*", "https://*", "https://*.example.com", "*://a"] {
            assert!(publisher(text).expect_err(text).contains('*'));
        }
    }

    #[test]
    fn a_host_is_a_name_alone() {
        for (text, name) in [
            ("events.example.com", "events.example.com"),
            (" Events.Example.com. ", "events.example.com"),
            ("my_service", "my_service"),
            ("*", "*"),
        ] {
            assert_eq!(host(text).as_deref(), Ok(name), "{text}");
        }
        for (text, right) in [
            ("events.example.com:8000", "write events.example.com"),
            ("https://events.example.com/", "write events.example.com"),
            ("bücher.example", "write xn--bcher-kva.example"),
            ("*.example.com", "events.example.com"),
            ("a b", "events.example.com"),
        ] {
            assert!(host(text).expect_err(text).contains(right), "{text}");
        }
    }
}
