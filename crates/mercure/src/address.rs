//! The public URL of the hub.

use sse_broadcaster_access::BaseUrl;
use sse_broadcaster_http::RequestHead;
use url::Url;

use crate::routes::{HUB_PATH, METADATA_PATH};

/// The public URL of the hub, as the settings or the client of a request have it.
pub(crate) struct Address(Url);

impl Address {
    pub(crate) fn of(configured: Option<&BaseUrl>, request: &impl RequestHead) -> Self {
        let configured = configured.and_then(|url| Url::parse(url.as_str()).ok());
        let url = configured.or_else(|| requested(request));
        Self(url.unwrap_or_else(local))
    }

    pub(crate) fn hub(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    pub(crate) fn base(&self) -> Option<BaseUrl> {
        BaseUrl::parse(self.hub()).ok()
    }

    /// Where the metadata of the hub are.
    pub(crate) fn metadata(&self) -> String {
        let origin = self.0.origin().ascii_serialization();
        format!("{origin}{METADATA_PATH}")
    }
}

/// A proxy that ends TLS says so by `X-Forwarded-Proto`. A client that lies only gets a token of its own refused.
fn requested(request: &impl RequestHead) -> Option<Url> {
    let host = request.header_text("host")?;
    let is_secure = request.header_text("x-forwarded-proto") == Some("https");
    let scheme = if is_secure { "https" } else { "http" };
    let url = Url::parse(&format!("{scheme}://{host}")).ok()?;
    let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let mut hub = url.clone();
    hub.set_path(HUB_PATH);
    is_plain.then_some(hub)
}

#[allow(
    clippy::expect_used,
    reason = "a constant, which the tests of this module parse"
)]
fn local() -> Url {
    Url::parse(&format!("http://localhost{HUB_PATH}")).expect("a constant")
}
