//! Topics as URLs. The last ones are kept on each thread: many patterns are asked about one topic, and the same
//! topics come again and again.

use std::{cell::RefCell, hash::BuildHasher as _, sync::LazyLock};

use foldhash::fast::RandomState;
use url::Url;

use super::{BaseUrl, Component};
use crate::pattern::recent::Recent;

/// Longer topics are not kept, so that a thread keeps about a megabyte at most.
const MAX_KEPT_BYTES: usize = 512;

/// A topic as a URL.
pub(in crate::pattern) struct TopicUrl {
    url: Url,
    /// Protocol, host and path, for finding the patterns that may match.
    key: Vec<u8>,
}

#[derive(Default)]
struct Known {
    base: Option<BaseUrl>,
    /// Empty for none: that is no topic.
    topic: String,
    url: Option<TopicUrl>,
}

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

thread_local! {
    static MEMO: RefCell<Recent<Known>> = const { RefCell::new(Recent::new(128)) };
}

impl TopicUrl {
    /// Calls `f` with the topic as a URL, if it is one.
    pub(in crate::pattern) fn with<R>(
        base: Option<&BaseUrl>,
        topic: &str,
        f: impl FnOnce(Option<&Self>) -> R,
    ) -> R {
        let is_kept = (1..=MAX_KEPT_BYTES).contains(&topic.len());
        let is_it = |known: &Known| known.topic == topic && known.base.as_ref() == base;
        let replace = |known: &mut Known| {
            *known = Known {
                base: base.cloned(),
                topic: topic.to_owned(),
                url: Self::parse(base, topic),
            };
        };
        MEMO.with(|memo| match memo.try_borrow_mut() {
            Ok(mut memo) if is_kept => {
                let known = memo.get_or_replace(HASHER.hash_one(topic), is_it, replace);
                f(known.url.as_ref())
            }
            // Also for a topic that is asked about within `f`.
            _ => f(Self::parse(base, topic).as_ref()),
        })
    }

    fn parse(base: Option<&BaseUrl>, topic: &str) -> Option<Self> {
        let base = base.map(|base| &*base.0);
        let url = Url::options().base_url(base).parse(topic).ok()?;
        let host = url.host_str().unwrap_or_default();
        let key = [url.scheme(), "\0", host, "\0", url.path()].concat();
        let key = key.into_bytes();
        Some(Self { url, key })
    }

    pub(in crate::pattern) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn component(&self, component: Component) -> &str {
        let url = &self.url;
        match component {
            Component::Pathname => url.path(),
            Component::Hostname => url.host_str().unwrap_or_default(),
            Component::Protocol => url.scheme(),
            Component::Port => url::quirks::port(url),
            Component::Search => url.query().unwrap_or_default(),
            Component::Hash => url.fragment().unwrap_or_default(),
            Component::Username => url.username(),
            Component::Password => url.password().unwrap_or_default(),
        }
    }
}
