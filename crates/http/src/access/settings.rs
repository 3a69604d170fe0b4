//! The settings of authorization, which clients share.

use std::sync::Arc;

use sse_broadcaster_access::{Authorize, Credentials, Grants};

use super::{
    current_rules::{Current, CurrentRules},
    granted_access::GrantedAccess,
    key_ring::KeyRing,
};
use crate::TrustedProxies;

/// The cookie with a token, unless the settings name another.
pub const DEFAULT_TOKEN_COOKIE: &str = "sse_token";

#[derive(Debug, Clone, Default)]
pub(super) struct Settings {
    pub(super) rules: CurrentRules,
    pub(super) authorize: Option<Arc<dyn Authorize>>,
    pub(super) operators: KeyRing,
    pub(super) token_cookie: Option<Box<str>>,
    pub(super) query_tokens: bool,
    pub(super) resource: Option<Box<str>>,
    pub(super) proxies: TrustedProxies,
}

impl Settings {
    /// What of all events a client with these grants may read. Clients with the same grants share it.
    pub(super) fn access_of(&self, grants: &Arc<Grants>) -> Arc<GrantedAccess> {
        let Current { rules, shared } = self.rules.with_shared();
        shared.get(grants, || GrantedAccess::new(rules, Arc::clone(grants)))
    }

    /// What a client does to get a grant, as the end of a sentence.
    pub(super) fn how_to_get_a_grant(&self) -> String {
        let Some(authorize) = &self.authorize else {
            return "no client can get one here: the server has neither --token-key-file nor --authorize-url"
                .to_owned();
        };
        let token = || {
            format!(
                "send a token as \"Authorization: Bearer <token>\" or in the cookie {}",
                self.cookie_name()
            )
        };
        match (authorize.takes_tokens(), authorize.wants_cookies()) {
            (true, false) => token(),
            (true, true) => format!("{}, or sign in to the application", token()),
            (false, _) => "sign in to the application".to_owned(),
        }
    }

    pub(super) fn with_resource<'a>(&'a self, credentials: Credentials<'a>) -> Credentials<'a> {
        match &self.resource {
            Some(resource) => credentials.resource(resource),
            None => credentials,
        }
    }

    pub(super) fn cookie_name(&self) -> &str {
        self.token_cookie.as_deref().unwrap_or(DEFAULT_TOKEN_COOKIE)
    }
}
