//! Whose tokens a hub trusts.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use sse_broadcaster_access::{
    Authorize, AuthorizeError, Credentials, Grants,
    authorize::Tokens,
    issuer::{Issuer, Issuers, Role},
    keys::Keys,
    revocation::Revocations,
    token::is_access_token,
};

/// Whose tokens a hub trusts: those of its own keys, by the rules of Mercure 0.x, and those of the server's issuers.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct HubKeys {
    publisher: Option<Keys>,
    subscriber: Option<Keys>,
    tokens: Option<Arc<Tokens>>,
    sessions: Option<Arc<dyn Authorize>>,
    revocations: Option<Arc<Revocations>>,
}

impl HubKeys {
    /// Tokens of version 0.x by these keys may publish.
    pub fn publisher(mut self, keys: Keys) -> Self {
        self.publisher = Some(keys);
        self
    }

    /// Tokens of version 0.x by these keys may subscribe.
    pub fn subscriber(mut self, keys: Keys) -> Self {
        self.subscriber = Some(keys);
        self
    }

    /// Tokens of both versions by these issuers may do what they grant. Without them no token of version 1.0 is right.
    pub fn tokens(mut self, tokens: Arc<Tokens>) -> Self {
        self.tokens = Some(tokens);
        self
    }

    /// Asked for the grants of clients without a token.
    pub fn sessions(mut self, sessions: Arc<dyn Authorize>) -> Self {
        self.sessions = Some(sessions);
        self
    }

    /// Tokens of the hub's keys that these apply to are refused.
    pub fn revocations(mut self, revocations: Arc<Revocations>) -> Self {
        self.revocations = Some(revocations);
        self
    }

    pub(crate) fn has_keys(&self) -> bool {
        self.publisher.is_some() || self.subscriber.is_some()
    }

    /// The keys of the hub as issuers. Deployed clients have tokens that never end.
    fn issuers(&self) -> Issuers {
        let issuer = |name: &str, keys: &Option<Keys>, role| {
            let keys = keys.clone()?;
            Some(Issuer::new(name, keys).role(role).without_expiry())
        };
        let publisher = issuer("mercure publisher key", &self.publisher, Role::Publisher);
        let subscriber = issuer("mercure subscriber key", &self.subscriber, Role::Subscriber);
        Issuers::new(publisher.into_iter().chain(subscriber))
    }
}

/// Verifies the tokens of both versions.
#[derive(Debug)]
pub(crate) struct Verifier {
    own: Option<Tokens>,
    tokens: Arc<Tokens>,
    has_tokens: bool,
    sessions: Option<Arc<dyn Authorize>>,
}

impl Verifier {
    pub(crate) fn new(keys: HubKeys) -> Self {
        let own = keys.has_keys().then(|| {
            let tokens = Tokens::new(keys.issuers());
            match &keys.revocations {
                Some(revocations) => tokens.with_revocations(Arc::clone(revocations)),
                None => tokens,
            }
        });
        let none = || Arc::new(Tokens::new(Issuers::default()));
        Self {
            own,
            has_tokens: keys.tokens.is_some(),
            tokens: keys.tokens.unwrap_or_else(none),
            sessions: keys.sessions,
        }
    }

    pub(crate) fn reload(&self, keys: &HubKeys) {
        if let Some(own) = &self.own {
            own.reload(keys.issuers());
        }
    }

    async fn verify(&self, credentials: &Credentials<'_>) -> Result<Arc<Grants>, AuthorizeError> {
        let Some((_, token)) = credentials.token()? else {
            return match &self.sessions {
                Some(sessions) => sessions.authorize(credentials).await,
                None => Ok(Grants::anonymous()),
            };
        };
        let Some(own) = self.own.as_ref().filter(|_| !is_access_token(token)) else {
            return self.tokens.authorize(credentials).await;
        };
        match own.authorize(credentials).await {
            // A token of version 0.x may be one of the server's issuers as well.
            Err(error) if self.has_tokens => {
                let verified = self.tokens.authorize(credentials).await;
                verified.map_err(|_| error)
            }
            verified => verified,
        }
    }
}

impl Authorize for Verifier {
    fn authorize<'a>(
        &'a self,
        credentials: &'a Credentials<'a>,
    ) -> BoxFuture<'a, Result<Arc<Grants>, AuthorizeError>> {
        self.verify(credentials).boxed()
    }

    fn wanted_headers(&self) -> &[String] {
        let sessions = self.sessions.as_ref();
        sessions.map_or(&[], |sessions| sessions.wanted_headers())
    }

    fn wants_cookies(&self) -> bool {
        let sessions = self.sessions.as_ref();
        sessions.is_some_and(|sessions| sessions.wants_cookies())
    }
}
