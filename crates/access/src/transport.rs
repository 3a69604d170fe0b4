//! How key sets are fetched and the application is asked: a request that blocks, on a thread for such. Tests and
//! programs with an HTTP client of their own can put it in.

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use ureq::{
    Agent, RequestBuilder,
    tls::{Certificate, RootCerts, TlsConfig},
};
use url::{Host, Url};

#[cfg(test)]
mod transport_tests;

/// A GET request, or a POST if it has a body.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Request {
    /// Where to.
    pub url: HttpUrl,
    /// Names and values.
    pub headers: Vec<(String, String)>,
    /// For all of it: connecting, sending, and reading the response.
    pub timeout: Duration,
    /// A longer body of the response is an error.
    pub max_bytes: usize,
    /// The body, for a POST.
    pub body: Option<Vec<u8>>,
}

impl Request {
    /// A POST with this body, within 10 s, and with up to 1 MiB in response.
    #[must_use]
    pub fn post(url: HttpUrl, headers: Vec<(String, String)>, body: Vec<u8>) -> Self {
        Self {
            url,
            headers,
            timeout: Duration::from_secs(10),
            max_bytes: 1 << 20,
            body: Some(body),
        }
    }
}

/// What was answered, with whatever status.
#[derive(Debug, Clone)]
pub struct Response {
    /// For example 200.
    pub status: u16,
    /// At most as many bytes as the request allows.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TransportError(pub String);

/// Sends requests. It may block; it must not follow redirects, which could lead elsewhere than the settings say.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Sends one request and waits for the response.
    ///
    /// # Errors
    /// If there is none within the time, or a too long one.
    fn send(&self, request: &Request) -> Result<Response, TransportError>;
}

/// Sends the request on a thread that may block. Dropping the future does not end the request.
///
/// # Errors
/// Those of [`Transport::send`].
pub async fn send(
    transport: Arc<dyn Transport>,
    request: Request,
) -> Result<Response, TransportError> {
    let sending = tokio::task::spawn_blocking(move || transport.send(&request));
    match sending.await {
        Ok(response) => response,
        Err(why) => Err(TransportError(format!("the request failed: {why}"))),
    }
}

/// An absolute `http` or `https` URL, from the settings.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl(Arc<Url>);

/// Why a text is no [`HttpUrl`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a URL with http or https")]
pub struct InvalidHttpUrl(String);

impl HttpUrl {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// Anything else, and other schemes.
    pub fn parse(text: &str) -> Result<Self, InvalidHttpUrl> {
        let url = Url::parse(text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(|| InvalidHttpUrl(text.to_owned()))?;
        Ok(Self(Arc::new(url)))
    }

    /// The URL, normalized.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Whether requests leave this machine, and are not encrypted.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.0.scheme() == "http" && !self.is_local()
    }

    fn is_local(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => IpAddr::from(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::from(address).is_loopback(),
            None => false,
        }
    }
}

impl fmt::Debug for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Without user and password, which do not belong into a log.
impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.0.host_str().unwrap_or_default();
        let port = self
            .0
            .port()
            .map_or_else(String::new, |port| format!(":{port}"));
        write!(f, "{}://{host}{port}{}", self.0.scheme(), self.0.path())
    }
}

/// HTTP with TLS by `rustls`, with the certificates that the system trusts. It uses the proxy of the environment,
/// but not for addresses of this machine.
#[derive(Debug)]
pub struct HttpTransport {
    agent: Agent,
    local_agent: Agent,
}

impl Default for HttpTransport {
    fn default() -> Self {
        let of_system = rustls_native_certs::load_native_certs().certs;
        let of_system = of_system.iter().map(|certificate| {
            let certificate = Certificate::from_der(certificate);
            certificate.to_owned()
        });
        let of_system: Vec<_> = of_system.collect();
        let roots = if of_system.is_empty() {
            RootCerts::WebPki
        } else {
            RootCerts::new_with_certs(&of_system)
        };
        let config = || {
            Agent::config_builder()
                .http_status_as_error(false)
                .max_redirects(0)
                .user_agent(concat!("sse-broadcaster/", env!("CARGO_PKG_VERSION")))
                .tls_config(TlsConfig::builder().root_certs(roots.clone()).build())
        };
        Self {
            agent: config().build().new_agent(),
            local_agent: config().proxy(None).build().new_agent(),
        }
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: &Request) -> Result<Response, TransportError> {
        let agent = if request.url.is_local() {
            &self.local_agent
        } else {
            &self.agent
        };
        let error = |why: ureq::Error| TransportError(why.to_string());
        let timeout = Some(request.timeout);
        let called = if let Some(body) = &request.body {
            let post = with_headers(agent.post(request.url.as_str()), &request.headers);
            let post = post.config().timeout_global(timeout).build();
            post.send(&body[..])
        } else {
            let get = with_headers(agent.get(request.url.as_str()), &request.headers);
            get.config().timeout_global(timeout).build().call()
        };
        let mut response = called.map_err(error)?;
        let body = response.body_mut().with_config();
        let body = body.limit(request.max_bytes as u64).read_to_vec();
        Ok(Response {
            status: response.status().as_u16(),
            body: body.map_err(error)?,
        })
    }
}

fn with_headers<B>(
    mut request: RequestBuilder<B>,
    headers: &[(String, String)],
) -> RequestBuilder<B> {
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request
}
