//! The address, TLS settings and path of a URL, resolved once for all connections.

use std::{
    fmt::Write as _,
    io,
    net::{SocketAddr, TcpStream, ToSocketAddrs as _},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use ureq::http::Uri;

use sse_broadcaster_cli::{Failure, Target, client};

const REACH_LIMIT: Duration = Duration::from_secs(10);

/// One URL, at an address that has accepted a connection.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) tls: Option<Tls>,
    authority: String,
    path_and_query: String,
    /// The `Authorization` of a user in the URL.
    basic: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Tls {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
}

impl Endpoint {
    pub(crate) fn reach(target: &Target) -> Result<Self, Failure> {
        let cannot = |why: String| Failure::new(format!("{target}: {why}"));
        let uri: Uri = target
            .url()
            .parse()
            .map_err(|_| cannot("the URL is not valid".to_owned()))?;
        let is_secure = uri.scheme_str() == Some("https");
        let host = uri.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
        let address = reachable(host, port).map_err(|error| cannot(client::why_io(&error)))?;
        let tls = if is_secure {
            Some(Tls::new(host).map_err(cannot)?)
        } else {
            None
        };
        let authority = uri
            .authority()
            .map_or("", ureq::http::uri::Authority::as_str);
        let (user, authority) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        Ok(Self {
            address,
            tls,
            authority: authority.to_owned(),
            path_and_query: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            basic: user.map(basic),
        })
    }

    /// The first lines of a request; the caller adds further ones, and the blank line.
    pub(crate) fn request(&self, method: &str, topic: &str) -> String {
        let mut path = self.path_and_query.clone();
        if !topic.is_empty() {
            path.push(if path.contains('?') { '&' } else { '?' });
            path.push_str("topic=");
            path.extend(utf8_percent_encode(topic, NON_ALPHANUMERIC));
        }
        format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nUser-Agent: sse-broadcaster/{}\r\n\
             Accept-Encoding: identity\r\n",
            self.authority,
            env!("CARGO_PKG_VERSION"),
        )
    }

    /// The header for a user in the URL; empty without one.
    pub(crate) fn authorization(&self) -> String {
        let mut line = String::new();
        if let Some(basic) = &self.basic {
            let _ = write!(line, "Authorization: {basic}\r\n");
        }
        line
    }
}

/// The first address of the host that accepts a connection.
fn reachable(host: &str, port: u16) -> io::Result<SocketAddr> {
    let mut failed = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in (host, port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, REACH_LIMIT) {
            Ok(_) => return Ok(address),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn basic(user: &str) -> String {
    let decoded: Vec<u8> = percent_decode_str(user).collect();
    format!("Basic {}", STANDARD.encode(decoded))
}

impl Tls {
    fn new(host: &str) -> Result<Self, String> {
        let name = ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("this system has no root certificates, which https needs".to_owned());
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn endpoint(listener: &TcpListener, user: &str, path: &str) -> Endpoint {
        let url = format!("http://{user}{}{path}", listener.local_addr().unwrap());
        let target = Target::new(Some(&url), [].iter(), "/events").unwrap();
        Endpoint::reach(&target).unwrap()
    }

    #[test]
    fn a_request_names_the_topic_in_the_query() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let first_line = |path, topic| {
            let request = endpoint(&listener, "", path).request("GET", topic);
            request.lines().next().unwrap().to_owned()
        };
        assert_eq!(
            first_line("", "a b&c"),
            "GET /events?topic=a%20b%26c HTTP/1.1"
        );
        assert_eq!(first_line("/x?y=1", "z"), "GET /x?y=1&topic=z HTTP/1.1");
        assert_eq!(first_line("/x", ""), "GET /x HTTP/1.1");
    }

    #[test]
    fn a_user_of_the_url_is_sent_as_authorization_and_not_as_host() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = endpoint(&listener, "me:p%40ss@", "");
        assert_eq!(
            endpoint.authorization(),
            "Authorization: Basic bWU6cEBzcw==\r\n"
        );
        assert!(endpoint.request("GET", "").contains("\r\nHost: 127.0.0.1:"));
    }
}
