use std::{
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use sse_broadcaster::Broadcaster;
use sse_broadcaster_access::{BaseUrl, PatternSet};
use sse_broadcaster_http::{Authorization, SubscribeAccess};
use sse_broadcaster_presence::SubscriptionStore;

use crate::{HubKeys, Version, keys::Verifier, subscriptions::Subscriptions};

/// How long a connection lasts at most, unless set otherwise.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(600);
/// How often a comment is sent on each stream, unless set otherwise.
const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(40);

/// The settings of a hub.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HubOptions {
    /// Whether clients without a token may subscribe to public events. By default they may not.
    pub anonymous: bool,
    /// How long a connection lasts at most; up to a fifth less, at random. `None` for no limit. 10 minutes by default.
    pub lifetime: Option<Duration>,
    /// How often a comment is sent on each stream; `None` for never. 40 seconds by default.
    pub heartbeat: Option<Duration>,
    /// The public URL of the hub, which access tokens name in `aud`, and to which URL patterns are relative. `None`
    /// takes it from the `Host` of each request.
    pub url: Option<BaseUrl>,
}

impl Default for HubOptions {
    fn default() -> Self {
        Self {
            anonymous: false,
            lifetime: Some(DEFAULT_LIFETIME),
            heartbeat: Some(DEFAULT_HEARTBEAT),
            url: None,
        }
    }
}

impl HubOptions {
    /// Sets whether clients without a token may subscribe.
    #[must_use]
    pub fn anonymous(self, anonymous: bool) -> Self {
        Self { anonymous, ..self }
    }

    /// Sets how long a connection lasts at most.
    #[must_use]
    pub fn lifetime(self, lifetime: Option<Duration>) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets how often a comment is sent.
    #[must_use]
    pub fn heartbeat(self, heartbeat: Option<Duration>) -> Self {
        Self { heartbeat, ..self }
    }

    /// Sets the public URL.
    #[must_use]
    pub fn url(self, url: Option<BaseUrl>) -> Self {
        Self { url, ..self }
    }
}

/// A hub: whose tokens it trusts, what subscribers may read, and its settings. All listeners of a server share one.
///
/// ```
/// use std::sync::Arc;
/// use sse_broadcaster_access::keys::Keys;
/// use sse_broadcaster_http::{Authorization, SubscribeAccess};
/// use sse_broadcaster_mercure::{Hub, HubKeys, HubOptions};
///
/// let keys = Keys::parse("HS256 !ChangeThisMercureHubJWTSecretKey!")?;
/// let keys = HubKeys::default().publisher(keys.clone()).subscriber(keys);
/// let hub = Hub::new(keys, SubscribeAccess::PrivateEvents, HubOptions::default());
/// # Ok::<_, sse_broadcaster_access::keys::KeyError>(())
/// ```
pub struct Hub {
    pub(crate) authorization: Authorization,
    verifier: Arc<Verifier>,
    pub(crate) options: HubOptions,
    /// Not set where they are neither announced nor listed.
    pub(crate) subscriptions: OnceLock<Arc<Subscriptions>>,
    /// Of errors of requests whose token is of no version.
    pub(crate) default_version: Version,
}

impl Hub {
    /// A hub that trusts these keys. With [`SubscribeAccess::Open`] it has private events nonetheless.
    #[must_use]
    pub fn new(keys: HubKeys, subscribe: SubscribeAccess, options: HubOptions) -> Self {
        let subscribe = match subscribe {
            SubscribeAccess::Open => SubscribeAccess::PrivateEvents,
            subscribe => subscribe,
        };
        let default_version = if keys.has_keys() {
            Version::Zero
        } else {
            Version::One
        };
        let verifier = Arc::new(Verifier::new(keys));
        let authorize = Arc::<Verifier>::clone(&verifier);
        Self {
            authorization: Authorization::new(subscribe, authorize),
            verifier,
            options,
            subscriptions: OnceLock::new(),
            default_version,
        }
    }

    /// Announces subscriptions by events of this broadcaster, and lists them: those of all nodes whose stores have the
    /// same state. A task does it, on the current Tokio runtime, until the hub is dropped. Has an effect once.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn start_subscriptions(
        &self,
        broadcaster: &Broadcaster,
        store: Arc<dyn SubscriptionStore>,
    ) {
        let start = || Arc::new(Subscriptions::start(broadcaster, store));
        self.subscriptions.get_or_init(start);
    }

    /// Announces that all subscriptions of this node have ended, before the broadcaster drains. Waits for that at most
    /// two seconds; what is not announced by then, other nodes announce. Subscriptions that begin later are neither
    /// announced nor listed.
    pub async fn end_subscriptions(&self) {
        if let Some(subscriptions) = self.subscriptions.get() {
            subscriptions.end_all().await;
        }
    }

    /// Replaces the keys of the hub; other keys of `keys` are ignored. Open streams are not cut. A hub that was built
    /// without keys of its own stays without them.
    pub fn reload_keys(&self, keys: &HubKeys) {
        self.verifier.reload(keys);
    }

    /// Changes what subscribers may read: which topics always need a grant, and which revocations apply.
    #[must_use]
    pub fn with_authorization(self, change: impl FnOnce(Authorization) -> Authorization) -> Self {
        Self {
            authorization: change(self.authorization),
            ..self
        }
    }

    /// As [`Authorization::replace_rules`], for what subscribers of the hub may read.
    #[must_use = "nothing may have been replaced"]
    pub fn replace_rules(&self, subscribe: SubscribeAccess, protected: PatternSet) -> bool {
        self.authorization.replace_rules(subscribe, protected)
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
