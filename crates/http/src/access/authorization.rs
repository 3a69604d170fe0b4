//! What a client may read by its grants, and who finds them out.

use std::{net::IpAddr, sync::Arc};

use futures_util::FutureExt as _;
use sse_broadcaster_access::{
    Authorize, AuthorizeError, Credentials, Grants, PatternSet, authorize::Source, issuer::Purpose,
    revocation::Revocations,
};

use super::{
    bearer::bearer,
    client::Client,
    key_ring::{Key, KeyRing},
    read_rules::{ReadRules, SubscribeAccess},
    sent_credentials::SentCredentials,
    settings::Settings,
};
use crate::{Refusal, RequestHead, TrustedProxies, parameters::query};

/// The query parameter with a token, where the settings allow it.
pub const TOKEN_PARAMETER: &str = "token";

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

impl Authorization {
    /// Clients are authorized by `authorize`. What they may read without a grant is as `subscribe` says.
    #[must_use]
    pub fn new(subscribe: SubscribeAccess, authorize: Arc<dyn Authorize>) -> Self {
        let authorization = Self(Arc::new(Settings {
            authorize: Some(authorize),
            ..Settings::default()
        }));
        authorization.restricted(subscribe)
    }

    /// The same authorization, for a server on which this needs a grant.
    #[must_use]
    pub fn restricted(self, subscribe: SubscribeAccess) -> Self {
        self.with_rules(|rules| rules.subscribe = subscribe)
    }

    fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    fn with_rules(self, change: impl FnOnce(&mut ReadRules)) -> Self {
        self.with(|settings| settings.rules.change(change))
    }

    /// Replaces what needs a grant, and the topics that always do, for all clones. Streams that were opened by the rules
    /// of before end within a second, and their clients reconnect.
    ///
    /// Between [`SubscribeAccess::Open`] and the others nothing is replaced, and the result is false: the streams of
    /// an open server are not held to any rules.
    #[must_use = "nothing may have been replaced"]
    pub fn replace_rules(&self, subscribe: SubscribeAccess, protected: PatternSet) -> bool {
        let is_open = |access| access == SubscribeAccess::Open;
        if is_open(subscribe) || is_open(self.subscribe_access()) {
            return false;
        }
        self.0.rules.change(|rules| {
            rules.subscribe = subscribe;
            rules.protected = protected;
        });
        true
    }

    /// Sets the topics that always need a grant to be read, whether an event is private or not.
    #[must_use]
    pub fn protected(self, topics: PatternSet) -> Self {
        self.with_rules(|rules| rules.protected = topics)
    }

    /// Streams end within a second once one of these applies to their grants.
    #[must_use]
    pub fn revocations(self, revocations: Arc<Revocations>) -> Self {
        self.with_rules(|rules| rules.revocations = Some(revocations))
    }

    /// Sets the keys of operators. A client that sends one, as `Authorization: Bearer KEY` and in no other way, may read
    /// and publish everything, and has the rights of an operator. Where reading needs grants, its streams end within
    /// a second once the key is removed.
    #[must_use]
    pub fn operators(self, keys: KeyRing) -> Self {
        self.with(|settings| settings.operators = keys)
    }

    /// Sets the name of the cookie that may have a token, [`DEFAULT_TOKEN_COOKIE`](crate::DEFAULT_TOKEN_COOKIE) if it is not
    /// set.
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

    /// Sets the proxies that say which address a client has, as [`AppState`](crate::AppState) does for its own.
    #[must_use]
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.with(|settings| settings.proxies = proxies)
    }

    /// Sets the public URL of the service, which access tokens of Mercure 1.0 must name in `aud`.
    #[must_use]
    pub fn resource(self, url: &str) -> Self {
        self.with(|settings| settings.resource = Some(url.into()))
    }

    /// What needs a grant to be read.
    #[must_use]
    pub fn subscribe_access(&self) -> SubscribeAccess {
        self.0.rules.get().subscribe
    }

    /// What clients may read, for people: for example `private events need a grant`.
    #[must_use]
    pub fn readers(&self) -> String {
        let rules = self.0.rules.get();
        let protected = if rules.protected.is_empty() {
            ""
        } else {
            " and protected topics"
        };
        match rules.subscribe {
            SubscribeAccess::Open => "every client that reaches this address".to_owned(),
            SubscribeAccess::PrivateEvents => format!("private events{protected} need a grant"),
            SubscribeAccess::Closed => "everything needs a grant".to_owned(),
        }
    }

    /// What a client does to get a grant, as the end of a sentence.
    pub(super) fn how_to_get_a_grant(&self) -> String {
        self.0.how_to_get_a_grant()
    }

    /// Whether some client may have the rights of an operator.
    #[must_use]
    pub fn has_operators(&self) -> bool {
        self.is_enabled() || !self.0.operators.is_empty()
    }

    /// Whether some clients have those rights by a key of their own.
    #[must_use]
    pub fn has_operator_keys(&self) -> bool {
        !self.0.operators.is_empty()
    }

    /// Whether anybody is asked.
    pub(crate) fn is_enabled(&self) -> bool {
        self.0.authorize.is_some()
    }

    /// Whether private events may be published: somebody has to be able to read them.
    pub(crate) fn has_private_events(&self) -> bool {
        self.0.rules.get().subscribe != SubscribeAccess::Open
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
            let operator = self.operator_key(request).map(|key| self.operator(key));
            return Ok(operator.unwrap_or_else(|| self.visitor()));
        }
        let settings = &*self.0;
        let sent = self.sent_by(self.0.proxies.client_ip(request), request);
        let query_token = settings.query_tokens.then(|| token_in(request.query()));
        let query_token = query_token.flatten();
        let credentials = sent
            .credentials(purpose)
            .cookie_token(sent.cookie(settings.cookie_name(), |_| true))
            .query_token(query_token.as_deref());
        self.client_by(&settings.with_resource(credentials)).await
    }

    /// The same by credentials that a protocol with rules of its own has read. Errors are not logged.
    ///
    /// # Errors
    /// Credentials that are wrong, or that cannot be checked now.
    pub async fn client_by(&self, credentials: &Credentials<'_>) -> Result<Client, AuthorizeError> {
        let token = credentials.token().ok().flatten();
        if let Some((Source::Header, key)) = token
            && let Some(key) = self.0.operators.find(key.as_bytes())
        {
            return Ok(self.operator(key));
        }
        let Some(authorize) = &self.0.authorize else {
            return Ok(self.visitor());
        };
        let source = token.map(|(source, _)| source);
        match authorize.authorize(credentials).await {
            Ok(grants) => Ok(self.client_of(grants, source)),
            // Visitors who are not signed in have cookies, too: where they may read, they stay who they are.
            Err(AuthorizeError::NotSignedIn { .. })
                if self.0.rules.get().subscribe != SubscribeAccess::Closed =>
            {
                Ok(self.client_of(Grants::anonymous(), None))
            }
            Err(error) => Err(error),
        }
    }

    /// Names of the headers that the authorization needs beside `Authorization` and cookies, in lower case.
    fn wanted_headers(&self) -> &[String] {
        let authorize = self.0.authorize.as_ref();
        authorize.map_or(&[], |authorize| authorize.wanted_headers())
    }

    /// The same where that takes no waiting. `None` where it does, or the client is refused: [`client`](Self::client)
    /// has the reason.
    pub fn client_now(&self, request: &impl RequestHead, purpose: Purpose) -> Option<Client> {
        self.find(request, purpose).now_or_never()?.ok()
    }

    /// The client of a request by its headers alone: neither a cookie nor the query counts, which a page of another
    /// site can have a browser send.
    pub(super) async fn client_by_header(
        &self,
        request: &impl RequestHead,
    ) -> Result<Client, AuthorizeError> {
        let sent = self.sent_by(self.0.proxies.client_ip(request), request);
        let credentials = sent.credentials_of_headers(Purpose::Subscribe);
        self.client_by(&self.0.with_resource(credentials)).await
    }

    /// What a request has that may identify its client, with [the address of the client](crate::AppState::client_ip).
    pub fn sent_by<'a>(
        &'a self,
        client_ip: Option<IpAddr>,
        request: &'a impl RequestHead,
    ) -> SentCredentials<'a> {
        SentCredentials::read(self.wanted_headers(), client_ip, request)
    }

    /// The key of operators that a request has.
    pub(super) fn operator_key(&self, request: &impl RequestHead) -> Option<Arc<Key>> {
        let operators = &self.0.operators;
        let sent = request.header("authorization").and_then(bearer);
        sent.and_then(|key| operators.find(key))
    }

    fn operator(&self, key: Arc<Key>) -> Client {
        self.client_of(Grants::unrestricted(), Some(Source::Header))
            .with_operator_key(key)
    }

    /// A client that sent nothing.
    #[must_use]
    pub fn visitor(&self) -> Client {
        self.client_of(Grants::anonymous(), None)
    }

    fn client_of(&self, grants: Arc<Grants>, source: Option<Source>) -> Client {
        Client::new(Arc::clone(&self.0), grants, source)
    }
}

/// The token in a query, if there is one.
fn token_in(query: &str) -> Option<String> {
    let mut pairs = query::lossy_pairs(query.as_bytes());
    let token = pairs.find(|(name, value)| name == TOKEN_PARAMETER && !value.is_empty());
    token.map(|(_, token)| token)
}
