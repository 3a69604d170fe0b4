//! Where a command sends its requests.

use std::{fmt, net::SocketAddr};

use ureq::http::{Uri, uri::Authority};

use super::{Defaults, Failure};
use crate::UNIX;

/// The routes that a URL of a command may name.
const ROUTES: [&str; 5] = [
    "/events",
    "/signals",
    "/health/live",
    "/health/ready",
    "/.well-known/mercure",
];

/// The URL of one route of a server.
#[derive(Debug, PartialEq, Eq)]
pub struct Target {
    url: String,
    shown: String,
    local: bool,
}

impl Target {
    /// The URL of `--url`, else of the first address that the server listens on. `route` is used where the URL
    /// has no path, and behind one that names no route: such a path is the base path of the server.
    ///
    /// # Errors
    /// When the URL is not valid, or there is neither a URL nor an address.
    pub fn of_server<'a>(
        url: Option<&str>,
        listens: impl Iterator<Item = &'a String>,
        base_path: &str,
        route: &str,
    ) -> Result<Self, Failure> {
        let Some(url) = url else {
            return Self::new(None, listens, &format!("{base_path}{route}"));
        };
        let target = Self::new(Some(url), listens, route)?;
        Ok(target.with_route(route))
    }

    /// The URL of `--url`, else that of the server with these settings; its route of events where the URL names none.
    ///
    /// # Errors
    /// As [`of_server`](Self::of_server).
    pub(crate) fn of_events(url: Option<&str>, defaults: &Defaults) -> Result<Self, Failure> {
        let listens = defaults.listen.iter();
        let target = Self::of_server(url, listens, &defaults.base_path, "/events")?;
        Ok(target.encrypted(url.is_none() && defaults.is_encrypted))
    }

    /// The same for any server: a path of the URL is used as it is.
    ///
    /// # Errors
    /// As [`of_server`](Self::of_server).
    pub fn new<'a>(
        url: Option<&str>,
        mut listens: impl Iterator<Item = &'a String>,
        route: &str,
    ) -> Result<Self, Failure> {
        match (
            url,
            listens.find(|listen| !listen.is_empty() && !listen.starts_with(UNIX)),
        ) {
            (Some(url), _) => Self::parse(url, route),
            (None, Some(listen)) => Self::parse(&reachable(listen)?, route),
            (None, None) => Err(Failure::usage("no address to listen on is set: give --url")),
        }
    }

    fn parse(text: &str, route: &str) -> Result<Self, Failure> {
        let whole = match text.split_once("://") {
            Some(_) => text.to_owned(),
            None => format!("http://{text}"),
        };
        let uri: Uri = whole.parse().map_err(|_| bad_url(text))?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (
            uri.scheme_str(),
            uri.authority().filter(|a| !a.host().is_empty()),
        ) else {
            return Err(bad_url(text));
        };
        let path = match uri.path() {
            "" | "/" => route,
            path => path,
        };
        let query = uri
            .query()
            .map(|query| format!("?{query}"))
            .unwrap_or_default();
        Ok(Self {
            url: format!("{scheme}://{authority}{path}{query}"),
            shown: format!("{scheme}://{}{path}", without_user(authority)),
            local: is_local(authority.host()),
        })
    }

    /// The same with this route behind its path, unless the path names a route.
    fn with_route(self, route: &str) -> Self {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        let path = path.trim_end_matches('/');
        if ROUTES.iter().any(|route| path.ends_with(route)) {
            return self;
        }
        let query = self.url.find('?').map_or("", |at| &self.url[at..]);
        Self {
            url: format!("{path}{route}{query}"),
            shown: format!("{}{route}", self.shown.trim_end_matches('/')),
            ..self
        }
    }

    /// The same by HTTPS, if `is_encrypted`: for an address of the settings, which has no scheme.
    #[must_use]
    pub fn encrypted(self, is_encrypted: bool) -> Self {
        let by_https = |url: String| match url.strip_prefix("http://") {
            Some(rest) if is_encrypted => format!("https://{rest}"),
            _ => url,
        };
        Self {
            url: by_https(self.url),
            shown: by_https(self.shown),
            ..self
        }
    }

    /// The whole URL, which may hold secrets.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Another route of the same server; `None` where this is not its route of events.
    pub(crate) fn beside(&self, route: &str) -> Option<String> {
        let path = self.url.split(['?', '#']).next()?.trim_end_matches('/');
        Some(format!("{}{route}", path.strip_suffix("/events")?))
    }

    /// Whether the server is on this machine, by its name or address.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.local
    }
}

/// Without the parts that may hold secrets: the user and the query.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

fn bad_url(text: &str) -> Failure {
    // The part before the @ may hold a password.
    let shown = text.rsplit('@').next().unwrap_or_default();
    Failure::usage(format!(
        "--url {shown}: give an http or https URL, for example http://127.0.0.1:8000"
    ))
}

fn without_user(authority: &Authority) -> &str {
    let text = authority.as_str();
    text.rsplit_once('@').map_or(text, |(_, host)| host)
}

fn is_local(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse().is_ok_and(crate::is_loopback)
}

/// The address to connect to for an address of `--listen`: loopback for an unspecified one.
fn reachable(listen: &str) -> Result<String, Failure> {
    let Ok(address) = listen.parse::<SocketAddr>() else {
        return Ok(listen.to_owned());
    };
    if address.port() == 0 {
        return Err(Failure::usage(format!(
            "the port of a server on {listen} is not known: give --url"
        )));
    }
    Ok(
        match (address, address.ip().to_canonical().is_unspecified()) {
            (SocketAddr::V6(v6), true) if v6.ip().to_ipv4_mapped().is_none() => {
                format!("[::1]:{}", v6.port())
            }
            (_, true) => format!("127.0.0.1:{}", address.port()),
            _ => listen.to_owned(),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: Option<&str>, listens: &[&str]) -> Result<Target, String> {
        let listens: Vec<String> = listens.iter().map(ToString::to_string).collect();
        Target::new(url, listens.iter(), "/events").map_err(|failure| failure.line)
    }

    fn url(url: &str) -> String {
        target(Some(url), &[]).unwrap().url
    }

    fn of_listen(listen: &str) -> String {
        target(None, &[listen]).unwrap().url
    }

    #[test]
    fn a_url_without_a_path_means_the_events_under_it() {
        assert_eq!(url("http://host:8000"), "http://host:8000/events");
        assert_eq!(url("https://host/"), "https://host/events");
        assert_eq!(url("host:8000"), "http://host:8000/events");
        assert_eq!(url("http://host?a=b"), "http://host/events?a=b");
    }

    #[test]
    fn a_url_with_a_path_is_used_as_it_is() {
        assert_eq!(url("http://host/live/events/"), "http://host/live/events/");
        assert_eq!(url("http://host/x?a=b#c"), "http://host/x?a=b");
    }

    #[test]
    fn a_path_that_names_no_route_is_the_base_path_of_a_server() {
        let of_server = |url, route| {
            let target = Target::of_server(Some(url), [].iter(), "/ignored", route).unwrap();
            assert_eq!(target.to_string(), target.url().split('?').next().unwrap());
            target.url
        };
        for (url, expected) in [
            ("http://host", "http://host/events"),
            ("http://host/", "http://host/events"),
            ("http://host/live", "http://host/live/events"),
            (
                "http://[::1]:8000/a/live/?x=y/z",
                "http://[::1]:8000/a/live/events?x=y/z",
            ),
            ("http://host/live/events", "http://host/live/events"),
            ("http://host/live/events/", "http://host/live/events/"),
            (
                "http://host/.well-known/mercure?a=b",
                "http://host/.well-known/mercure?a=b",
            ),
        ] {
            assert_eq!(of_server(url, "/events"), expected);
        }
        let health = of_server("http://host/live", "/health/live");
        assert_eq!(health, "http://host/live/health/live");
        let ready = of_server("http://host/health/ready", "/health/live");
        assert_eq!(ready, "http://host/health/ready");
        let listens = ["[::1]:8000".to_owned()];
        let own = Target::of_server(None, listens.iter(), "/live", "/events").unwrap();
        assert_eq!(own.url(), "http://[::1]:8000/live/events");
    }

    #[test]
    fn another_route_is_found_next_to_that_of_events() {
        let beside = |url| target(Some(url), &[]).unwrap().beside("/signals");
        for (url, expected) in [
            ("http://host", Some("http://host/signals")),
            (
                "http://host/live/events/?a=b",
                Some("http://host/live/signals"),
            ),
            ("http://host/stream", None),
        ] {
            assert_eq!(beside(url).as_deref(), expected, "{url}");
        }
    }

    #[test]
    fn a_url_that_is_not_http_is_rejected_with_an_example() {
        for bad in [
            "",
            "ftp://host",
            "http://",
            "http://a b",
            "://",
            "http:///events",
        ] {
            let refused = target(Some(bad), &[]).unwrap_err();
            assert!(
                refused.contains("http://127.0.0.1:8000"),
                "{bad}: {refused}"
            );
        }
    }

    #[test]
    fn a_password_is_used_and_never_shown() {
        let with_user = target(Some("http://me:secret@host/e?key=secret"), &[]).unwrap();
        assert_eq!(with_user.url(), "http://me:secret@host/e?key=secret");
        assert_eq!(with_user.to_string(), "http://host/e");
        let refused = target(Some("ftp://me:secret@host"), &[]).unwrap_err();
        assert!(!refused.contains("secret"), "{refused}");
    }

    #[test]
    fn without_a_url_the_target_is_the_first_address_that_the_server_listens_on() {
        assert_eq!(of_listen("127.0.0.1:8000"), "http://127.0.0.1:8000/events");
        assert_eq!(of_listen("0.0.0.0:8001"), "http://127.0.0.1:8001/events");
        assert_eq!(of_listen("[::]:8002"), "http://[::1]:8002/events");
        assert_eq!(
            of_listen("[::ffff:0.0.0.0]:8003"),
            "http://127.0.0.1:8003/events"
        );
        assert_eq!(of_listen("10.0.0.7:80"), "http://10.0.0.7:80/events");
        assert_eq!(of_listen("localhost:8000"), "http://localhost:8000/events");
        let several = target(None, &["", "[::1]:9", "10.0.0.7:80"]).unwrap();
        assert_eq!(several.url(), "http://[::1]:9/events");
    }

    #[test]
    fn a_port_that_the_system_chooses_cannot_be_guessed() {
        let refused = target(None, &["127.0.0.1:0"]).unwrap_err();
        assert!(refused.contains("--url"), "{refused}");
    }

    #[test]
    fn only_this_machine_is_local() {
        for (url, local) in [
            ("http://127.0.0.1", true),
            ("http://localhost:8", true),
            ("http://[::1]:8", true),
            ("http://10.0.0.7", false),
            ("http://localhost.example", false),
        ] {
            assert_eq!(target(Some(url), &[]).unwrap().is_local(), local, "{url}");
        }
    }
}
