use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures_util::future::{BoxFuture, FutureExt as _};
use serde_json::Value;

use super::{Authorize, AuthorizeError, Credentials, outage::Outage, turns::Turns};
use crate::{
    cache::{Cache, DEFAULT_BYTES, DEFAULT_ENTRIES, Digest, digest_of},
    flight::Flights,
    grants::{Grants, Origin},
    pattern::BaseUrl,
    revocation::Revocations,
    token::{read_plain, unknown_in_plain},
    transport::{self, HttpUrl, Request, Response, Transport},
};

/// Most bytes of cookies and headers that are sent to the application.
pub const MAX_SENT_BYTES: usize = 16 << 10;
/// Longest response of the application.
pub const MAX_RESPONSE_BYTES: usize = 256 << 10;
/// Most clients with different credentials that wait for the application at a time. More are sent away.
pub const MAX_WAITING: usize = 10_000;
/// Most of these from one address.
pub const MAX_WAITING_OF_ADDRESS: usize = MAX_WAITING / 2;
/// Longest that grants are valid, whatever the application says.
pub const MAX_TTL: Duration = Duration::from_secs(86_400);
/// Grants are not used any longer for new requests so long before they end, or a fifth of their time if that is less:
/// streams are cut up to so much early, and their clients then come back for new ones.
const MAX_EARLY: Duration = Duration::from_secs(10);
const EARLY_SHARE: u32 = 5;

/// Headers of the request to the application itself, which are never copied from the client's.
const OWN_HEADERS: [&str; 7] = [
    "accept",
    "connection",
    "content-length",
    "cookie",
    "host",
    "transfer-encoding",
    "upgrade",
];

/// Sent with the request that a client was the first to cause. Were it one of the headers that identify the session,
/// each request would be a session of its own.
const TRACEPARENT: &str = "traceparent";

/// How the application is asked.
#[derive(Debug, Clone)]
pub struct ApplicationOptions {
    /// Headers of the client's request that are sent on, beside `Cookie`: for example `authorization`. Those
    /// that belong to the connection, such as `host`, are not.
    pub headers: Vec<String>,
    /// Only these cookies are sent on; all, if it is empty. Others, for example of analytics, would make one
    /// session look like many.
    pub cookies: Vec<String>,
    /// For one request.
    pub timeout: Duration,
    /// For how long a client waits for its turn.
    pub queue_timeout: Duration,
    /// Requests at a time.
    pub concurrency: usize,
    /// How long grants are valid if the response has no `ttl`.
    pub default_ttl: Duration,
    /// How long a refusal is kept.
    pub refusal_ttl: Duration,
    /// How many responses are kept, and how many bytes they may take, estimated.
    pub cache: (usize, usize),
    /// What URL patterns and topics are relative to.
    pub base: Option<BaseUrl>,
    /// Grants that these apply to are not used any longer: the application is asked again.
    pub revocations: Option<Arc<Revocations>>,
}

impl Default for ApplicationOptions {
    fn default() -> Self {
        Self {
            headers: Vec::new(),
            cookies: Vec::new(),
            timeout: Duration::from_secs(5),
            queue_timeout: Duration::from_secs(10),
            concurrency: 16,
            default_ttl: Duration::from_secs(60),
            refusal_ttl: Duration::from_secs(5),
            cache: (DEFAULT_ENTRIES, DEFAULT_BYTES),
            base: None,
            revocations: None,
        }
    }
}

/// Asks the application what a session may do: by GET, as a page would be asked for, so that no check for forged
/// requests is in the way. The request has the client's cookies and selected headers.
///
/// The response is 200 and `{"user": "17", "ttl": 300, "subscribe": ["users/17/{+rest}"], "publish": [], "presence":
/// []}`: all members may be missing; topics are written as in a token; `ttl` is in seconds; `payload` is data about
/// the client. 401, 302 and 303 (to a page to sign in) mean that the session is not known, 403 that it may do nothing.
/// Anything else is a fault of the application: new clients are sent away, and grants that were given stay
/// until they end.
///
/// The result is kept for that time by what was sent, but for its last fifth and at most 10 s, in which streams are cut
/// and their clients come back. Requests for the same at the same time are one.
pub struct Application(Arc<Inner>);

struct Inner {
    url: HttpUrl,
    transport: Arc<dyn Transport>,
    options: ApplicationOptions,
    turns: Arc<Turns>,
    cache: Cache<Outcome>,
    flights: Arc<Flights<Digest, Outcome>>,
    /// Whether members of a response that have no effect were logged: once is enough.
    has_logged_unknown: AtomicBool,
    outage: Outage,
}

type Outcome = Result<Arc<Grants>, AuthorizeError>;

impl Application {
    /// The application at `url`.
    #[must_use]
    pub fn new(
        url: HttpUrl,
        transport: Arc<dyn Transport>,
        mut options: ApplicationOptions,
    ) -> Self {
        for name in &mut options.headers {
            name.make_ascii_lowercase();
        }
        let is_sent = |name: &String| Self::may_send(name) && name != TRACEPARENT;
        options.headers.retain(is_sent);
        options.headers.sort();
        options.headers.dedup();
        Self(Arc::new(Inner {
            url,
            transport,
            turns: Turns::new(options.concurrency.max(1), MAX_WAITING_OF_ADDRESS),
            cache: Cache::new(options.cache.0, options.cache.1),
            options,
            flights: Flights::new(),
            has_logged_unknown: AtomicBool::new(false),
            outage: Outage::default(),
        }))
    }

    /// Whether a header of this name can be one of [`ApplicationOptions::headers`].
    #[must_use]
    pub fn may_send(name: &str) -> bool {
        !OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name))
    }

    async fn ask(&self, credentials: &Credentials<'_>) -> Outcome {
        let inner = &self.0;
        let headers = inner.headers_of(credentials);
        if headers.is_empty() {
            return Ok(Grants::anonymous());
        }
        let lengths = headers.iter().map(|(name, value)| name.len() + value.len());
        let bytes = lengths.sum();
        if bytes > MAX_SENT_BYTES {
            let max = MAX_SENT_BYTES;
            return Err(AuthorizeError::TooLarge { bytes, max });
        }
        let parts = headers
            .iter()
            .flat_map(|(name, value)| [name.as_bytes(), value.as_bytes()]);
        let key = digest_of(&parts.collect::<Vec<_>>());
        if let Some(known) = inner.known(&key) {
            return known;
        }
        let start = || {
            // Finished between the two looks.
            if let Some(known) = inner.known(&key) {
                return Some(std::future::ready(known).boxed());
            }
            let (inner, address) = (inner.clone(), credentials.sent_from());
            let trace = credentials.trace();
            let trace = trace.map(|trace| (TRACEPARENT.to_owned(), trace.to_owned()));
            let headers = headers.into_iter().chain(trace).collect();
            Some(async move { inner.ask(key, headers, address).await }.boxed())
        };
        if inner.flights.len() >= MAX_WAITING {
            return Err(unreachable("too many clients wait for the application"));
        }
        match inner.flights.join(&key, start) {
            Some(flight) => flight.await,
            None => Err(unreachable("the application was not asked")),
        }
    }
}

fn unreachable(why: impl Into<String>) -> AuthorizeError {
    AuthorizeError::Unreachable(why.into())
}

/// Until when new requests get grants that were given now and end at `deadline`.
pub(super) fn used_until(deadline: Instant, now: Instant) -> Instant {
    let early = MAX_EARLY.min(deadline.saturating_duration_since(now) / EARLY_SHARE);
    deadline.checked_sub(early).unwrap_or(deadline)
}

impl Inner {
    /// What is sent of the credentials. In one order, so that the same is always the same.
    fn headers_of(&self, credentials: &Credentials<'_>) -> Vec<(String, String)> {
        let mut headers = Vec::new();
        let cookies = credentials.cookie_headers().iter();
        let cookies = cookies.flat_map(|header| header.split(';')).map(str::trim);
        let is_sent = |cookie: &&str| {
            let only = &self.options.cookies;
            let name = cookie.split_once('=').map_or(*cookie, |(name, _)| name);
            !cookie.is_empty() && (only.is_empty() || only.iter().any(|wanted| wanted == name))
        };
        let mut cookies: Vec<_> = cookies.filter(is_sent).collect();
        // Stable, as of two cookies of one name the first one counts.
        cookies.sort_by_key(|cookie| cookie.split('=').next());
        if !cookies.is_empty() {
            headers.push(("cookie".to_owned(), cookies.join("; ")));
        }
        for name in &self.options.headers {
            let values = credentials.headers_named(name);
            headers.extend(values.map(|value| (name.clone(), value.to_owned())));
        }
        headers
    }

    fn known(&self, key: &Digest) -> Option<Outcome> {
        let known = self.cache.get(key, Instant::now())?;
        let is_revoked = |grants: &Arc<Grants>| {
            let revocations = self.options.revocations.as_ref();
            revocations.is_some_and(|revocations| revocations.is_revoked(grants))
        };
        (!known.as_ref().is_ok_and(is_revoked)).then_some(known)
    }

    async fn ask(
        &self,
        key: Digest,
        headers: Vec<(String, String)>,
        address: Option<IpAddr>,
    ) -> Outcome {
        let turn = self.turns.take(address);
        let _turn = match tokio::time::timeout(self.options.queue_timeout, turn).await {
            Ok(Some(turn)) => turn,
            Ok(None) => return Err(unreachable("too many clients of this address wait")),
            Err(_) => {
                return Err(unreachable(
                    "the application answers too slowly for all clients that wait",
                ));
            }
        };
        let mut headers = headers;
        headers.push(("accept".to_owned(), "application/json".to_owned()));
        let request = Request {
            url: self.url.clone(),
            headers,
            timeout: self.options.timeout,
            max_bytes: MAX_RESPONSE_BYTES,
            body: None,
        };
        let asked_at = SystemTime::now();
        let response = transport::send(self.transport.clone(), request).await;
        let (outcome, bytes) = match response {
            Ok(response) => (self.read(&response, asked_at), response.body.len()),
            Err(why) => (Err(unreachable(format!("{} failed: {why}", self.url))), 0),
        };
        self.report(&outcome);
        let until = match &outcome {
            Ok(grants) => grants
                .deadline()
                .map(|deadline| used_until(deadline, Instant::now())),
            Err(AuthorizeError::NotSignedIn { .. } | AuthorizeError::Forbidden) => {
                Some(Instant::now() + self.options.refusal_ttl)
            }
            Err(_) => return outcome,
        };
        self.cache.put(key, outcome.clone(), until, 512 + 2 * bytes);
        outcome
    }

    /// Logs the first failure, and the first success thereafter.
    fn report(&self, outcome: &Outcome) {
        if let Err(AuthorizeError::Unreachable(why)) = outcome {
            if self.outage.failed(Instant::now()) {
                log::warn!(
                    "new clients are sent away until the application that authorizes them responds: {why}"
                );
            }
        } else if self.outage.succeeded() {
            log::info!("the application at {} has recovered", self.url);
        }
    }

    fn read(&self, response: &Response, asked_at: SystemTime) -> Outcome {
        match response.status {
            200 => self.read_grants(&response.body, asked_at).map_err(|why| {
                unreachable(format!(
                    "the response of {} cannot be used: {why}",
                    self.url
                ))
            }),
            status @ (401 | 302 | 303) => Err(AuthorizeError::NotSignedIn { status }),
            403 => Err(AuthorizeError::Forbidden),
            status => Err(unreachable(format!(
                "{} answered with status {status}; 200, 401 or 403 are expected",
                self.url
            ))),
        }
    }

    fn read_grants(&self, body: &[u8], asked_at: SystemTime) -> Result<Arc<Grants>, String> {
        let json: Value = serde_json::from_slice(body).map_err(|why| format!("not JSON: {why}"))?;
        let ttl = match json.get("ttl") {
            None => self.options.default_ttl,
            Some(ttl) => {
                let seconds = ttl.as_f64().filter(|seconds| *seconds >= 1.0);
                let seconds = seconds.ok_or("\"ttl\" is not a number of seconds from 1 on")?;
                Duration::try_from_secs_f64(seconds).unwrap_or(MAX_TTL)
            }
        };
        let mut builder = Grants::builder()
            .origin(Origin::Application)
            .issued_at(asked_at)
            .expires_at(SystemTime::now() + ttl.min(MAX_TTL));
        match json.get("user") {
            None | Some(Value::Null) => {}
            Some(Value::String(user)) => builder = builder.user(user.as_str()),
            Some(Value::Number(user)) => builder = builder.user(user.to_string()),
            Some(_) => return Err("\"user\" is neither a string nor a number".to_owned()),
        }
        self.log_unknown(&json);
        read_plain(&json, self.options.base.as_ref(), builder).map_err(|why| format!("it {why}"))
    }

    fn log_unknown(&self, response: &Value) {
        let unknown = response.as_object().map(unknown_in_plain);
        let unknown = unknown.filter(|unknown| !unknown.is_empty());
        if let Some(unknown) = unknown
            && !self.has_logged_unknown.swap(true, Ordering::Relaxed)
        {
            log::warn!(
                "the response of {} has members without effect: {unknown:?}; it may have user, ttl, subscribe, \
                 publish, presence, payload and admin",
                self.url
            );
        }
    }
}

impl Authorize for Application {
    fn authorize<'a>(
        &'a self,
        credentials: &'a Credentials<'a>,
    ) -> BoxFuture<'a, Result<Arc<Grants>, AuthorizeError>> {
        self.ask(credentials).boxed()
    }

    fn wanted_headers(&self) -> &[String] {
        &self.0.options.headers
    }

    fn wants_cookies(&self) -> bool {
        true
    }

    fn takes_tokens(&self) -> bool {
        false
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Application").field(&self.0.url).finish()
    }
}
