//! What a client may read by its grants, and who finds them out.

use std::sync::Arc;

use futures_util::FutureExt as _;
use sse_broadcaster_access::{
    Authorize, AuthorizeError, Credentials, Grants, PatternSet, authorize::Source, issuer::Purpose,
    revocation::Revocations,
};

use super::{
    client::Client, grant_topic::GrantTopic, granted_access::GrantedAccess,
    sent_credentials::SentCredentials, shared_accesses::SharedAccesses,
};
use crate::{Refusal, RequestHead, parameters::query};

/// The cookie with a token, unless the settings name another.
pub const DEFAULT_TOKEN_COOKIE: &str = "sse_token";
/// The query parameter with a token, where the settings allow it.
pub const TOKEN_PARAMETER: &str = "token";

/// The internal topic, and the retained value, of revocations. No grant is for it.
pub const REVOCATIONS_TOPIC: &str = "$revocations";

/// What needs a grant to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum SubscribeAccess {
    /// Nothing: every client reads all topics. Private events cannot be published.
    #[default]
    Open,
    /// Private events, and all events of the protected topics. The rest is public.
    PrivateEvents,
    /// Everything.
    Closed,
}

/// How clients are authorized, and what they may read. By default nobody is asked, and every client reads all
/// topics. Clones share everything.
///
/// ```
/// use std::sync::Arc;
/// use sse_broadcaster_access::{authorize::Tokens, issuer::{Issuer, Issuers}, keys::Keys};
/// use sse_broadcaster_http::{Authorization, SubscribeAccess};
///
/// let keys = Keys::parse("HS256 0123456789abcdef0123456789abcdef")?;
/// let tokens = Tokens::new(Issuers::new([Issuer::new("login", keys)]));
/// let authorization = Authorization::new(SubscribeAccess::PrivateEvents, Arc::new(tokens));
/// assert_eq!(authorization.subscribe_access(), SubscribeAccess::PrivateEvents);
/// # Ok::<_, sse_broadcaster_access::keys::KeyError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Authorization(Arc<Settings>);

#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) subscribe: SubscribeAccess,
    authorize: Option<Arc<dyn Authorize>>,
    protected: PatternSet,
    pub(super) revocations: Option<Arc<Revocations>>,
    token_cookie: Option<Box<str>>,
    query_tokens: bool,
    resource: Option<Box<str>>,
    shared: Arc<SharedAccesses>,
}

impl Authorization {
    /// Clients are authorized by `authorize`. What they may read without a grant is as `subscribe` says.
    #[must_use]
    pub fn new(subscribe: SubscribeAccess, authorize: Arc<dyn Authorize>) -> Self {
        Self(Arc::new(Settings {
            subscribe,
            authorize: Some(authorize),
            ..Settings::default()
        }))
    }

    /// The same authorization, for a server on which this needs a grant.
    #[must_use]
    pub fn restricted(self, subscribe: SubscribeAccess) -> Self {
        self.with(|settings| settings.subscribe = subscribe)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        let settings = Arc::make_mut(&mut self.0);
        settings.shared = Arc::default();
        change(settings);
        self
    }

    /// Sets the topics that always need a grant to be read, whether an event is private or not.
    #[must_use]
    pub fn protected(self, topics: PatternSet) -> Self {
        self.with(|settings| settings.protected = topics)
    }

    /// Streams end within a second once one of these applies to their grants.
    #[must_use]
    pub fn revocations(self, revocations: Arc<Revocations>) -> Self {
        self.with(|settings| settings.revocations = Some(revocations))
    }

    /// Sets the name of the cookie that may have a token, [`DEFAULT_TOKEN_COOKIE`] if it is not set.
    #[must_use]
    pub fn token_cookie(self, name: &str) -> Self {
        self.with(|settings| settings.token_cookie = Some(name.into()))
    }

    /// Sets whether the query parameter [`TOKEN_PARAMETER`] may have a token. Proxies and browsers keep URLs in logs
    /// and histories, so that it is off by default.
    #[must_use]
    pub fn query_tokens(self, allowed: bool) -> Self {
        self.with(|settings| settings.query_tokens = allowed)
    }

    /// Sets the public URL of the service, which access tokens of Mercure 1.0 must name in `aud`.
    #[must_use]
    pub fn resource(self, url: &str) -> Self {
        self.with(|settings| settings.resource = Some(url.into()))
    }

    /// What needs a grant to be read.
    #[must_use]
    pub fn subscribe_access(&self) -> SubscribeAccess {
        self.0.subscribe
    }

    /// What clients may read, for people: for example `private events need a grant`.
    #[must_use]
    pub fn readers(&self) -> String {
        let protected = if self.0.protected.is_empty() {
            ""
        } else {
            " and protected topics"
        };
        match self.0.subscribe {
            SubscribeAccess::Open => "every client that reaches this address".to_owned(),
            SubscribeAccess::PrivateEvents => format!("private events{protected} need a grant"),
            SubscribeAccess::Closed => "everything needs a grant".to_owned(),
        }
    }

    /// Whether anybody is asked.
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.authorize.is_some()
    }

    /// Whether private events may be published: somebody has to be able to read them.
    pub(crate) fn has_private_events(&self) -> bool {
        self.0.subscribe != SubscribeAccess::Open
    }

    /// Finds out what the client of a request may do. A refusal is [logged](Refusal::log) with its response.
    ///
    /// Dropping the future loses nothing: what was asked of the application or of a key server goes on, and is kept
    /// for the next request.
    ///
    /// # Errors
    /// 401 for a token or a session that is not valid; 400 for a malformed `Authorization`; 403 where the
    /// application refuses the client; 503 while it cannot be found out.
    pub async fn client(
        &self,
        request: &impl RequestHead,
        purpose: Purpose,
    ) -> Result<Client, Refusal> {
        Ok(self.find(request, purpose).await?)
    }

    async fn find(
        &self,
        request: &impl RequestHead,
        purpose: Purpose,
    ) -> Result<Client, AuthorizeError> {
        if !self.is_enabled() {
            return Ok(self.client_of(Grants::anonymous(), None));
        }
        let settings = &*self.0;
        let sent = SentCredentials::read(self, request);
        let query_token = settings.query_tokens.then(|| token_in(request.query()));
        let query_token = query_token.flatten();
        let credentials = sent
            .credentials(purpose)
            .cookie_token(sent.cookie(settings.cookie_name(), |_| true))
            .query_token(query_token.as_deref());
        let credentials = match &settings.resource {
            Some(resource) => credentials.resource(resource),
            None => credentials,
        };
        self.client_by(&credentials).await
    }

    /// The same by credentials that a protocol with rules of its own has read. Errors are not logged.
    ///
    /// # Errors
    /// Credentials that are wrong, or that cannot be checked now.
    pub async fn client_by(&self, credentials: &Credentials<'_>) -> Result<Client, AuthorizeError> {
        let Some(authorize) = &self.0.authorize else {
            return Ok(self.client_of(Grants::anonymous(), None));
        };
        let source = credentials.token().ok().flatten().map(|(source, _)| source);
        match authorize.authorize(credentials).await {
            Ok(grants) => Ok(self.client_of(grants, source)),
            // Visitors who are not signed in have cookies, too: where they may read, they stay who they are.
            Err(AuthorizeError::NotSignedIn { .. })
                if self.0.subscribe != SubscribeAccess::Closed =>
            {
                Ok(self.client_of(Grants::anonymous(), None))
            }
            Err(error) => Err(error),
        }
    }

    /// Names of the headers that the authorization needs beside `Authorization` and cookies, in lower case.
    #[must_use]
    pub fn wanted_headers(&self) -> &[String] {
        let authorize = self.0.authorize.as_ref();
        authorize.map_or(&[], |authorize| authorize.wanted_headers())
    }

    /// The same where that takes no waiting. `None` where it does, or the client is refused: [`client`](Self::client)
    /// has the reason.
    pub fn client_now(&self, request: &impl RequestHead, purpose: Purpose) -> Option<Client> {
        self.find(request, purpose).now_or_never()?.ok()
    }

    /// A client that sent nothing.
    pub(crate) fn visitor(&self) -> Client {
        self.client_of(Grants::anonymous(), None)
    }

    fn client_of(&self, grants: Arc<Grants>, source: Option<Source>) -> Client {
        Client::new(Arc::clone(&self.0), grants, source)
    }
}

impl Settings {
    /// Whether all events of the topic need a grant.
    pub(super) fn needs_grant(&self, topic: &str) -> bool {
        let topic = match GrantTopic::of(topic) {
            GrantTopic::Subscribe(topic) => topic,
            GrantTopic::Presence(_) | GrantTopic::Nobody => return true,
        };
        match self.subscribe {
            SubscribeAccess::Open => false,
            SubscribeAccess::PrivateEvents => self.protected.matches(topic),
            SubscribeAccess::Closed => true,
        }
    }

    /// What of all events a client with these grants may read. Clients with the same grants share it.
    pub(super) fn access_of(self: &Arc<Self>, grants: &Arc<Grants>) -> Arc<GrantedAccess> {
        let new = || GrantedAccess::new(Arc::clone(self), Arc::clone(grants));
        self.shared.get(grants, new)
    }

    fn cookie_name(&self) -> &str {
        self.token_cookie.as_deref().unwrap_or(DEFAULT_TOKEN_COOKIE)
    }
}

/// The token in a query, if there is one.
fn token_in(query: &str) -> Option<String> {
    let mut pairs = query::lossy_pairs(query.as_bytes());
    let token = pairs.find(|(name, value)| name == TOKEN_PARAMETER && !value.is_empty());
    token.map(|(_, token)| token)
}
