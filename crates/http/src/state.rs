use std::{net::IpAddr, sync::Arc};

use crate::{
    Access, Authorization, BasePath, BodyCodings, ContentCodings, Gate, Permit, PublishTracer,
    Refusal, RefusalCounts, RequestHead, TrustedProxies, UploadLimits, Uploads, UserAgents,
    access::publisher,
};
use sse_broadcaster::broadcaster::Broadcaster;
use sse_broadcaster_presence::Presence;
use sse_broadcaster_signals::Signals;

/// What the routes of an application share: the broadcaster, the rules of access, and the bounds of request bodies.
/// A framework's `Routes` are made from it, or from a broadcaster alone: then they are for reading only.
///
/// ```
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_http::{Access, AppState, Publishers, UploadLimits};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let state = AppState::new(&broadcaster)
///     .access(Access::default().publishers(Publishers::Local))
///     .upload_limits(UploadLimits::default().bytes(16 << 20));
/// assert_eq!(state.uploads.bytes(), 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct AppState {
    /// Events are published to it, and read from it.
    pub broadcaster: Broadcaster,
    /// The signals of this broadcaster.
    pub signals: Signals,
    /// Checks who may publish and read.
    pub gate: Gate,
    /// Finds out what a client may read and publish by a token or a session.
    pub authorization: Authorization,
    /// The proxies whose headers about the client are believed.
    pub proxies: TrustedProxies,
    /// The path below which the routes are.
    pub base_path: BasePath,
    /// The scheme of the server itself.
    own_scheme: &'static str,
    /// Who is on which topic; `None` if no topic has presence.
    pub presence: Option<Presence>,
    /// Bounds what request bodies hold.
    pub uploads: Arc<Uploads>,
    /// How many requests were refused. The application counts them; the routes do not.
    pub refusals: Arc<RefusalCounts>,
    /// What clients of open streams say that they are, where connections are kept.
    pub user_agents: Arc<UserAgents>,
    /// Compresses streams for clients that accept it; `None` to send all as they are.
    pub codings: Option<Arc<dyn ContentCodings>>,
    /// Decompresses request bodies; `None` to refuse those that are compressed.
    pub body_codings: Option<Arc<dyn BodyCodings>>,
    /// Records spans of publishes; `None` if nobody does.
    pub tracer: Option<Arc<dyn PublishTracer>>,
}

impl AppState {
    /// The state of routes for reading only: by default no client may publish.
    #[must_use]
    pub fn new(broadcaster: &Broadcaster) -> Self {
        Self {
            broadcaster: broadcaster.clone(),
            signals: Signals::new(broadcaster),
            gate: Gate::default(),
            authorization: Authorization::default(),
            proxies: TrustedProxies::default(),
            base_path: BasePath::default(),
            own_scheme: "http",
            presence: None,
            uploads: Uploads::new(UploadLimits::default()),
            refusals: Arc::default(),
            user_agents: Arc::default(),
            codings: None,
            body_codings: None,
            tracer: None,
        }
    }

    /// Sets the rules for publishing, for pages of other origins, and for the streams of one address. No stream may
    /// have been opened yet: they are counted anew.
    #[must_use]
    pub fn access(self, access: Access) -> Self {
        let gate = Gate::new(access);
        Self { gate, ..self }
    }

    /// Sets how clients are authorized, and what they may read. By default every client reads all topics.
    #[must_use]
    pub fn authorization(self, authorization: Authorization) -> Self {
        Self {
            authorization: authorization.trusted_proxies(self.proxies.clone()),
            ..self
        }
    }

    /// Sets the proxies whose headers about the client are believed. By default none is, and the client is the other end
    /// of the connection.
    #[must_use]
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self {
            authorization: self.authorization.trusted_proxies(proxies.clone()),
            proxies,
            ..self
        }
    }

    /// Sets the path below which an application mounts the routes, for the URLs that responses have. Requests come
    /// without it.
    #[must_use]
    pub fn base_path(self, base_path: BasePath) -> Self {
        Self { base_path, ..self }
    }

    /// The address of the client, for limits, logs and operators: that of the other end of the connection, or what
    /// [trusted proxies](Self::trusted_proxies) say. `None` for a Unix socket.
    #[must_use]
    pub fn client_ip(&self, request: &impl RequestHead) -> Option<IpAddr> {
        self.proxies.client_ip(request)
    }

    /// Sets the scheme by which the server itself is reached, `http` or `https`. By default it is `http`.
    #[must_use]
    pub fn own_scheme(self, own_scheme: &'static str) -> Self {
        Self { own_scheme, ..self }
    }

    /// The scheme of the URL that the client uses: that of a trusted proxy, or of the server.
    #[must_use]
    pub fn scheme(&self, request: &impl RequestHead) -> &'static str {
        self.proxies.scheme(request).unwrap_or(self.own_scheme)
    }

    /// Sets who is on which topic. By default no topic has presence.
    #[must_use]
    pub fn presence(self, presence: Presence) -> Self {
        let presence = Some(presence);
        Self { presence, ..self }
    }

    /// Checks whether the client of a request may publish, by a publish key, its grants, or the rules for everybody,
    /// as `POST /events` does. Routes of an application can use it as well.
    ///
    /// # Errors
    /// Those of [`Access::may_publish`] and of [`Authorization::client`]; 403 `foreign_page` where a cookie
    /// identifies the client, and the page is of another site.
    pub async fn may_publish(&self, request: &impl RequestHead) -> Result<Permit, Refusal> {
        self.may_publish_by(request.method(), request).await
    }

    /// The same, as if the request had this method: the handshake of a WebSocket is a `GET`, but its messages
    /// publish as a `POST` does.
    ///
    /// # Errors
    /// As [`may_publish`](Self::may_publish).
    pub async fn may_publish_by(
        &self,
        method: &str,
        request: &impl RequestHead,
    ) -> Result<Permit, Refusal> {
        publisher(self, method, request).await
    }

    /// Sets the bounds of all request bodies together.
    #[must_use]
    pub fn upload_limits(self, limits: UploadLimits) -> Self {
        let uploads = Uploads::new(limits);
        Self { uploads, ..self }
    }

    /// Sets how streams are compressed for clients that accept it. By default none is.
    #[must_use]
    pub fn codings(self, codings: Arc<dyn ContentCodings>) -> Self {
        let codings = Some(codings);
        Self { codings, ..self }
    }

    /// Sets how request bodies are decompressed. By default one that is compressed is refused.
    #[must_use]
    pub fn body_codings(self, body_codings: Arc<dyn BodyCodings>) -> Self {
        let body_codings = Some(body_codings);
        Self {
            body_codings,
            ..self
        }
    }

    /// Sets what records the span of each publish. [`Options::observer`](sse_broadcaster::Options::observer) receives what
    /// follows.
    #[must_use]
    pub fn tracer(self, tracer: Arc<dyn PublishTracer>) -> Self {
        let tracer = Some(tracer);
        Self { tracer, ..self }
    }

    /// The same state for the routes of one listener: `loopback_port` is its port if it listens on a loopback
    /// address. Counts and bounds are shared.
    #[must_use]
    pub fn with_loopback_port(&self, loopback_port: Option<u16>) -> Self {
        Self {
            broadcaster: self.broadcaster.clone(),
            signals: self.signals.clone(),
            gate: self.gate.with_loopback_port(loopback_port),
            authorization: self.authorization.clone(),
            proxies: self.proxies.clone(),
            base_path: self.base_path.clone(),
            own_scheme: self.own_scheme,
            presence: self.presence.clone(),
            uploads: Arc::clone(&self.uploads),
            refusals: Arc::clone(&self.refusals),
            user_agents: Arc::clone(&self.user_agents),
            codings: self.codings.clone(),
            body_codings: self.body_codings.clone(),
            tracer: self.tracer.clone(),
        }
    }
}

impl From<&Broadcaster> for AppState {
    fn from(broadcaster: &Broadcaster) -> Self {
        Self::new(broadcaster)
    }
}
