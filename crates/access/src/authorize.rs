//! Who a client is and what it may do, from what it sent with its request.
//!
//! One trait, [`Authorize`], with an implementation for each set-up:
//!
//! | | grants come from |
//! |---|---|
//! | [`Open`] | the settings: the same for all |
//! | [`Tokens`] | a token in the header `Authorization`, a cookie or the query |
//! | [`Application`] | the application, which is sent the cookies of the request |
//! | [`TokensElseApplication`] | a token, or if there is none the application |
//!
//! ```
//! use std::sync::Arc;
//! use sse_broadcaster_access::{
//!     authorize::{Authorize, Credentials, Tokens},
//!     issuer::{Issuer, Issuers, Purpose},
//!     keys::Keys,
//!     mint::{NewToken, SigningKey},
//! };
//!
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! let secret = "HS256 0123456789abcdef0123456789abcdef";
//! let tokens = Tokens::new(Issuers::new([Issuer::new("login", Keys::parse(secret)?)]));
//!
//! let claims = serde_json::json!({"sub": "17", "sse": {"subscribe": ["users/17/{+rest}"]}});
//! let token = NewToken::new(&claims)?.create(&SigningKey::parse(secret)?)?;
//! let header = format!("Bearer {token}");
//! let credentials = Credentials::new(Purpose::Subscribe).authorization(header.as_bytes());
//!
//! let grants = tokens.authorize(&credentials).await?;
//! assert_eq!(grants.user(), Some("17"));
//! assert!(grants.may_subscribe("users/17/notes"));
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<_, Box<dyn std::error::Error>>(())
//! ```

use std::{fmt, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt as _};

use crate::{
    grants::Grants,
    pattern::PatternSet,
    token::{Check, TokenError},
};

mod application;
#[cfg(test)]
mod application_tests;
mod credentials;
#[cfg(test)]
mod credentials_tests;
mod outage;
mod tokens;
#[cfg(test)]
mod tokens_tests;
mod turns;

pub use application::{Application, ApplicationOptions, MAX_TTL};
pub use credentials::{Credentials, Source, cookie_value};
pub use tokens::Tokens;

/// Finds out what a client may do.
pub trait Authorize: fmt::Debug + Send + Sync {
    /// The grants of a client that sent these credentials: [`Grants::anonymous`], if it sent none that count
    /// here. Must be awaited on a Tokio runtime.
    ///
    /// Dropping the future loses nothing: what was asked of others is finished and kept for the next client.
    ///
    /// # Errors
    /// Credentials that are wrong, or that cannot be checked now. A wrong one never falls back to another one.
    fn authorize<'a>(
        &'a self,
        credentials: &'a Credentials<'a>,
    ) -> BoxFuture<'a, Result<Arc<Grants>, AuthorizeError>>;

    /// Names of the request's headers that it needs, in lower case. The caller adds these to the credentials.
    fn wanted_headers(&self) -> &[String] {
        &[]
    }

    /// Whether it needs the request's cookies: clients sign in to an application.
    fn wants_cookies(&self) -> bool {
        false
    }

    /// Whether a client can send it a token.
    fn takes_tokens(&self) -> bool {
        true
    }
}

/// Why a client has no grants. The text is a sentence for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizeError {
    /// The token was refused: 401, or 400 for a malformed header.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The application does not know the session: 401. Where nobody needs a grant the client may be taken for an
    /// anonymous one.
    #[error("the application does not know the session (status {status})")]
    NotSignedIn {
        /// What it answered.
        status: u16,
    },
    /// The application refuses this client: 403.
    #[error("the application refuses the client (status 403)")]
    Forbidden,
    /// Cookies and headers are longer than is sent to the application: 431.
    #[error("cookies and headers for the application have {bytes} bytes; at most {max} are sent")]
    TooLarge {
        /// How long they are.
        bytes: usize,
        /// How long they may be.
        max: usize,
    },
    /// It cannot be found out now, and is no fault of the client: 503, or a stream with nothing but a spread
    /// `retry:`, as EventSource ends for good at other responses.
    #[error("credentials cannot be checked now: {0}")]
    Unreachable(String),
}

impl AuthorizeError {
    /// Stable and machine-readable.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Token(why) => why.code(),
            Self::NotSignedIn { .. } => "not_signed_in",
            Self::Forbidden => "forbidden",
            Self::TooLarge { .. } => "credentials_too_large",
            Self::Unreachable(_) => "authorization_unavailable",
        }
    }

    /// For the client: what to do.
    #[must_use]
    pub fn client_message(&self) -> &'static str {
        match self {
            Self::Token(why) => why.client_message(),
            Self::NotSignedIn { .. } => "sign in to the application, then try again",
            Self::Forbidden => "the application does not allow this",
            Self::TooLarge { .. } => "cookies and headers are too long; send fewer cookies",
            Self::Unreachable(_) => "access cannot be checked at the moment; try again later",
        }
    }

    /// The HTTP status that says so.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Token(why) if matches!(why.check(), Check::Header(_)) => 400,
            Self::Token(_) | Self::NotSignedIn { .. } => 401,
            Self::Forbidden => 403,
            Self::TooLarge { .. } => 431,
            Self::Unreachable(_) => 503,
        }
    }

    /// Whether the same may be tried again later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// The same grants for all, whatever they send.
#[derive(Debug, Clone)]
pub struct Open(Arc<Grants>);

impl Open {
    /// These grants.
    #[must_use]
    pub fn new(grants: Arc<Grants>) -> Self {
        Self(grants)
    }
}

/// All may read everything. Who may publish is decided elsewhere.
impl Default for Open {
    fn default() -> Self {
        let all = Grants::builder().subscribe(PatternSet::all());
        Self(all.build())
    }
}

impl Authorize for Open {
    fn authorize<'a>(
        &'a self,
        _credentials: &'a Credentials<'a>,
    ) -> BoxFuture<'a, Result<Arc<Grants>, AuthorizeError>> {
        std::future::ready(Ok(self.0.clone())).boxed()
    }

    fn takes_tokens(&self) -> bool {
        false
    }
}

/// A token, if there is one, else the application.
#[derive(Debug)]
pub struct TokensElseApplication {
    tokens: Arc<Tokens>,
    application: Arc<Application>,
}

impl TokensElseApplication {
    /// Of these two.
    #[must_use]
    pub fn new(tokens: Arc<Tokens>, application: Arc<Application>) -> Self {
        Self {
            tokens,
            application,
        }
    }
}

impl Authorize for TokensElseApplication {
    fn authorize<'a>(
        &'a self,
        credentials: &'a Credentials<'a>,
    ) -> BoxFuture<'a, Result<Arc<Grants>, AuthorizeError>> {
        match credentials.token() {
            // A header that is wrong is an error there, too.
            Err(_) | Ok(Some(_)) => self.tokens.authorize(credentials),
            Ok(None) => self.application.authorize(credentials),
        }
    }

    fn wanted_headers(&self) -> &[String] {
        self.application.wanted_headers()
    }

    fn wants_cookies(&self) -> bool {
        true
    }
}
