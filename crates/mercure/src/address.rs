//! The public URL of the hub.

use sse_broadcaster_access::BaseUrl;
use sse_broadcaster_http::{AppState, BasePath, RequestHead};
use url::Url;

use crate::paths::{HUB_PATH, METADATA_PATH};

/// The public URL of the hub, as the settings or the client of a request have it.
pub(crate) struct Address {
    hub: Url,
    base: BasePath,
    is_certain: bool,
}

impl Address {
    pub(crate) fn of(
        configured: Option<&BaseUrl>,
        state: &AppState,
        request: &impl RequestHead,
    ) -> Self {
        let configured = configured.and_then(|url| Url::parse(url.as_str()).ok());
        let is_certain = configured.is_some() || state.gate.is_known_host(request);
        let url = configured.or_else(|| requested(state, request));
        Self {
            hub: url.unwrap_or_else(local),
            base: state.base_path.clone(),
            is_certain,
        }
    }

    pub(crate) fn hub(&self) -> &str {
        self.hub.as_str()
    }

    /// The URL that a token may have as its audience. `None` where only the client of the request says so: it may hold a
    /// token for another hub, and would name that one.
    pub(crate) fn audience(&self) -> Option<&str> {
        self.is_certain.then(|| self.hub())
    }

    pub(crate) fn url(&self) -> &Url {
        &self.hub
    }

    pub(crate) fn base(&self) -> Option<BaseUrl> {
        BaseUrl::parse(self.hub()).ok()
    }

    /// Where the metadata of the hub are: below the base path, since a proxy may pass on nothing else.
    pub(crate) fn metadata(&self) -> String {
        let origin = self.hub.origin().ascii_serialization();
        format!("{origin}{}{METADATA_PATH}", self.base)
    }

    /// The path of the hub, for links.
    pub(crate) fn path(&self) -> String {
        format!("{}{HUB_PATH}", self.base)
    }
}

fn requested(state: &AppState, request: &impl RequestHead) -> Option<Url> {
    let host = request.header_text("host")?;
    let scheme = state.scheme(request);
    let url = Url::parse(&format!("{scheme}://{host}")).ok()?;
    let is_plain = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    let mut hub = url.clone();
    hub.set_path(&format!("{}{HUB_PATH}", state.base_path));
    is_plain.then_some(hub)
}

#[allow(
    clippy::expect_used,
    reason = "a constant, which the tests of this module parse"
)]
fn local() -> Url {
    Url::parse(&format!("http://localhost{HUB_PATH}")).expect("a constant")
}
