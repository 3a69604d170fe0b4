//! Requests to the authority, and their limits: whatever it sends, an order takes a bounded number of requests, time and
//! memory.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient, Problem};
use rustls::pki_types::CertificateDer;
use ureq::{
    Agent,
    http::{
        HeaderMap, HeaderValue, Request, Response, Uri,
        header::{RETRY_AFTER, USER_AGENT},
    },
    tls::{Certificate, RootCerts, TlsConfig},
};
use url::{Host, Url};

/// Longest body of a response.
const MAX_BODY_BYTES: u64 = 256 << 10;
/// Longest time of a request, with its response.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Most requests of an order: some for each of a hundred names, and polls.
const MAX_REQUESTS: u32 = 1_000;
/// Longest time that an authority may ask to wait.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3_600);

type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// The client of one order. It blocks the thread that polls it.
pub(crate) struct Http {
    agent: Agent,
    budget: Arc<Budget>,
}

/// What is left for an order, and how long the authority last asked to wait before another.
#[derive(Debug)]
pub(crate) struct Budget {
    deadline: Instant,
    left: Mutex<Left>,
}

#[derive(Debug)]
struct Left {
    requests: u32,
    retry_after: Option<Duration>,
}

/// Why there is no response that can be used.
#[derive(Debug, thiserror::Error)]
enum HttpError {
    #[error("no response of {host} that can be used: {why}")]
    Unreachable { host: String, why: ureq::Error },
    #[error("the authority names {0}: only https is used")]
    NotEncrypted(String),
    #[error("the authority responded {0}")]
    Unexpected(u16),
    #[error("the authority redirects, by {0}; set --acme-directory to the right address")]
    Redirect(u16),
    #[error("the order took too long, or too many requests")]
    Exhausted,
}

impl Budget {
    pub(crate) fn new(time: Duration) -> Arc<Self> {
        let left = Left {
            requests: MAX_REQUESTS,
            retry_after: None,
        };
        Arc::new(Self {
            deadline: Instant::now() + time,
            left: Mutex::new(left),
        })
    }

    /// How long the authority asked to wait, by its last response that was an error.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.left().retry_after
    }

    /// How long the next request may take.
    fn take(&self) -> Result<Duration, HttpError> {
        let mut left = self.left();
        let time = self.deadline.saturating_duration_since(Instant::now());
        left.requests = left.requests.saturating_sub(1);
        if left.requests == 0 || time.is_zero() {
            return Err(HttpError::Exhausted);
        }
        Ok(time.min(REQUEST_TIMEOUT))
    }

    fn left(&self) -> std::sync::MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Http {
    /// Trusts these authorities, or those of the system if there are none.
    pub(crate) fn new(
        directory: &Url,
        roots: &[CertificateDer<'static>],
        budget: Arc<Budget>,
    ) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(TlsConfig::builder().root_certs(trusted(roots)).build());
        let config = if is_local(directory) {
            config.proxy(None)
        } else {
            config
        };
        let agent = config.build().new_agent();
        Self { agent, budget }
    }

    fn send(
        agent: &Agent,
        budget: &Budget,
        request: Request<Vec<u8>>,
    ) -> Result<BytesResponse, AnyError> {
        let timeout = budget.take()?;
        check_encrypted(request.uri())?;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let unreachable = |why| HttpError::Unreachable {
            host: host.clone(),
            why,
        };
        let response = if request.body().is_empty() {
            let request = agent.configure_request(request.map(drop));
            agent.run(request.timeout_global(Some(timeout)).build())
        } else {
            let request = agent.configure_request(request);
            agent.run(request.timeout_global(Some(timeout)).build())
        };
        let (mut parts, mut body) = response.map_err(unreachable)?.into_parts();
        let body = body.with_config().limit(MAX_BODY_BYTES).read_to_vec();
        let body = body.map_err(unreachable)?;
        let retry_after = take_retry_after(&mut parts.headers);
        if parts.status.is_redirection() {
            return Err(HttpError::Redirect(parts.status.as_u16()).into());
        }
        if !parts.status.is_success() {
            budget.left().retry_after = retry_after;
            // Without the description of a problem the status says more than what is wrong with the body.
            if serde_json::from_slice::<Problem>(&body).is_err() {
                return Err(HttpError::Unexpected(parts.status.as_u16()).into());
            }
        }
        let response = Response::from_parts(parts, ());
        Ok(BytesResponse {
            parts: response.into_parts().0,
            body: Box::new(Bytes::from(body)),
        })
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (agent, budget) = (self.agent.clone(), Arc::clone(&self.budget));
        Box::pin(async move {
            let (mut parts, body) = request.into_parts();
            let own =
                HeaderValue::from_static(concat!("sse-broadcaster/", env!("CARGO_PKG_VERSION")));
            parts.headers.insert(USER_AGENT, own);
            let Ok(body) = body.collect().await;
            let request = Request::from_parts(parts, body.to_bytes().to_vec());
            Self::send(&agent, &budget, request).map_err(Error::Other)
        })
    }
}

fn trusted(roots: &[CertificateDer<'static>]) -> RootCerts {
    let certificates = |all: &[CertificateDer<'static>]| -> Vec<_> {
        all.iter()
            .map(|root| Certificate::from_der(root).to_owned())
            .collect()
    };
    if !roots.is_empty() {
        return RootCerts::new_with_certs(&certificates(roots));
    }
    let of_system = rustls_native_certs::load_native_certs().certs;
    if of_system.is_empty() {
        return RootCerts::WebPki;
    }
    RootCerts::new_with_certs(&certificates(&of_system))
}

fn is_local(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn check_encrypted(uri: &Uri) -> Result<(), HttpError> {
    match uri.scheme_str() {
        Some("https") => Ok(()),
        _ => Err(HttpError::NotEncrypted(uri.to_string())),
    }
}

/// How long to wait. The header is replaced by a bounded number of seconds: instant-acme adds whatever it says to the
/// time, which must not overflow.
fn take_retry_after(headers: &mut HeaderMap) -> Option<Duration> {
    let value = headers.remove(RETRY_AFTER)?;
    let value = value.to_str().ok()?.trim();
    let wait = if let Ok(seconds) = value.parse() {
        Duration::from_secs(seconds)
    } else {
        let until = httpdate::parse_http_date(value).ok()?;
        let wait = until.duration_since(SystemTime::now());
        wait.unwrap_or_default()
    };
    let wait = wait.min(MAX_RETRY_AFTER);
    headers.insert(RETRY_AFTER, wait.as_secs().into());
    Some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_authority_asks_to_wait_is_bounded_before_anything_adds_it_to_the_time() {
        for (text, expected) in [
            ("0", Some(0)),
            ("120", Some(120)),
            ("18446744073709551615", Some(86_400)),
            ("18446744073709551616", None),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(86_400)),
            ("Fri, 31 Dec 1999 23:59:59 GMT", Some(0)),
            ("-1", None),
            ("soon", None),
            ("", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(text));
            let expected = expected.map(Duration::from_secs);
            assert_eq!(take_retry_after(&mut headers), expected, "{text}");
            let left = headers
                .get(RETRY_AFTER)
                .map(|value| value.to_str().unwrap());
            let left = left.map(|seconds| Duration::from_secs(seconds.parse().unwrap()));
            assert_eq!(left, expected, "{text}");
        }
    }

    #[test]
    fn an_order_has_a_bounded_number_of_requests_and_a_deadline() {
        let budget = Budget::new(Duration::from_secs(60));
        let allowed = (0..2 * MAX_REQUESTS).filter(|_| budget.take().is_ok());
        assert_eq!(allowed.count(), MAX_REQUESTS as usize - 1);
        assert!(Budget::new(Duration::ZERO).take().is_err());
        assert!(Budget::new(Duration::from_secs(3)).take().unwrap() <= Duration::from_secs(3));
    }

    #[test]
    fn only_https_is_used() {
        for (uri, is_right) in [
            ("https://a.example/", true),
            ("http://a.example/", false),
            ("/new-order", false),
        ] {
            assert_eq!(check_encrypted(&uri.parse().unwrap()).is_ok(), is_right);
        }
    }
}
