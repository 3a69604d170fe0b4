//! Who may read what, as the settings say: tokens, the application, and revocations.

use std::{sync::Arc, time::Duration};

use sse_broadcaster_access::{
    Authorize, PatternSet,
    authorize::{Application, ApplicationOptions, MAX_TTL, Tokens, TokensElseApplication},
    revocation::Revocations,
    transport::HttpTransport,
};
use sse_broadcaster_actix::Authorization;
use sse_broadcaster_http::SubscribeAccess;

use super::{
    key_file::{Watched, WatchedFile},
    token_keys::TokenKeys,
};
use crate::config::{self, AccessConfig, BadSetting, Config, TokenConfig};

/// How long a revocation is kept where `--token-lifetime` does not bound the tokens.
const DEFAULT_REVOCATION_TIME: Duration = Duration::from_secs(366 * 86_400);

/// What the settings say, ready for the routes.
pub(crate) struct Opened {
    pub(crate) authorization: Authorization,
    /// `None` where no client can get a grant.
    pub(crate) revocations: Option<Arc<Revocations>>,
    /// The files with keys of tokens, and key sets by URL, which SIGHUP has fetched again.
    pub(crate) watched: Option<Watched>,
    pub(crate) grantors: Grantors,
}

/// Who gives grants, for protocols that ask in ways of their own.
pub(crate) struct Grantors {
    pub(crate) tokens: Option<Arc<Tokens>>,
    pub(crate) application: Option<Arc<dyn Authorize>>,
    pub(crate) revocations: Arc<Revocations>,
    pub(crate) protected: PatternSet,
    pub(crate) subscribe: SubscribeAccess,
}

/// Reads the files with keys, and begins to fetch key sets, on the current Tokio runtime.
///
/// # Errors
/// Settings that are missing, not valid, or contradict each other; files that cannot be read.
pub(crate) fn open(config: &Config) -> Result<Opened, BadSetting> {
    let access = &config.access;
    access.check()?;
    let subscribe = subscribe_access(access, config.mercure.mercure);
    let protected = access.protected_topics(&config.given)?;
    let application_url = access.application_url()?;
    let loaded = TokenKeys::load(&access.tokens)?;
    let revocations = Arc::new(Revocations::new(revocation_time(config)));
    let application = application_url.map(|url| {
        let options = ApplicationOptions {
            headers: access.authorize_header.clone(),
            cookies: access.authorize_cookie.clone(),
            revocations: Some(Arc::clone(&revocations)),
            ..ApplicationOptions::default()
        };
        Arc::new(Application::new(
            url,
            Arc::new(HttpTransport::default()),
            options,
        ))
    });
    let tokens = access.tokens.has_keys().then(|| {
        let tokens = Tokens::new(loaded.0.issuers()).with_revocations(Arc::clone(&revocations));
        Arc::new(tokens)
    });
    let watched = tokens.as_ref().map(|tokens| watch(loaded, tokens));
    let grantors = Grantors {
        tokens: tokens.clone(),
        application: application.clone().map(|asked| asked as Arc<dyn Authorize>),
        revocations: Arc::clone(&revocations),
        protected: protected.clone(),
        subscribe,
    };
    let authorize: Arc<dyn Authorize> = match (tokens, application) {
        (Some(tokens), Some(application)) => {
            Arc::new(TokensElseApplication::new(tokens, application))
        }
        (Some(tokens), None) => tokens,
        (None, Some(application)) => application,
        (None, None) => {
            return Ok(Opened {
                authorization: Authorization::default().restricted(subscribe),
                revocations: config.mercure.mercure.then_some(revocations),
                watched: None,
                grantors,
            });
        }
    };
    let authorization = Authorization::new(subscribe, authorize)
        .protected(protected)
        .revocations(Arc::clone(&revocations))
        .token_cookie(&access.token_cookie)
        .query_tokens(access.token_query);
    Ok(Opened {
        authorization,
        revocations: Some(revocations),
        watched,
        grantors,
    })
}

/// A hub has private events whatever the setting: on all routes they need a grant then, and lists do not name their
/// topics.
pub(super) fn subscribe_access(access: &AccessConfig, has_hub: bool) -> SubscribeAccess {
    match access.subscribe_access {
        config::SubscribeAccess::Open if !has_hub => SubscribeAccess::Open,
        config::SubscribeAccess::Open | config::SubscribeAccess::PrivateEvents => {
            SubscribeAccess::PrivateEvents
        }
        config::SubscribeAccess::Closed => SubscribeAccess::Closed,
    }
}

/// No token or session that a revocation applies to lasts longer than this.
fn revocation_time(config: &Config) -> Duration {
    let access = &config.access;
    let tokens = &access.tokens;
    let of_tokens = match tokens.token_lifetime {
        // The keys of the hub are not bound by the setting.
        Some(lifetime) if !config.mercure.mercure => lifetime,
        _ if tokens.has_keys() || config.mercure.mercure => DEFAULT_REVOCATION_TIME,
        _ => Duration::ZERO,
    };
    let of_sessions = match access.authorize_url {
        Some(_) => MAX_TTL,
        None => Duration::ZERO,
    };
    of_tokens
        .max(of_sessions)
        .saturating_add(tokens.token_leeway)
}

/// Verifies tokens with the keys of these settings from now on.
///
/// # Errors
/// Settings that are not valid, and files that cannot be read; then all stays as it was.
pub(crate) fn reload(config: &TokenConfig, tokens: &Arc<Tokens>) -> Result<Watched, BadSetting> {
    let loaded = TokenKeys::load(config)?;
    tokens.reload(loaded.0.issuers());
    Ok(watch(loaded, tokens))
}

/// Fetches the key sets, and replaces keys as their files have them.
fn watch((mut keys, files): (TokenKeys, Vec<WatchedFile>), tokens: &Arc<Tokens>) -> Watched {
    let tokens = Arc::clone(tokens);
    tokio::spawn(fetch(Arc::clone(&tokens)));
    Watched::new(files, move |changed, is_requested| {
        if !changed.is_empty() {
            let read = keys.reload(changed);
            tokens.reload(keys.issuers());
            for read in read {
                log::info!("{read}");
            }
        }
        if is_requested {
            tokio::spawn(fetch(Arc::clone(&tokens)));
        }
    })
}

async fn fetch(tokens: Arc<Tokens>) {
    for why in tokens.fetch_keys().await {
        log::warn!("{why}; its tokens are verified with the keys of before, if there are any");
    }
}
