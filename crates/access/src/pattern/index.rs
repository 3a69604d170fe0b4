use std::{collections::HashMap, fmt, ops::ControlFlow};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use super::{BaseUrl, Matcher, Pattern, affixes::Affixes, is_short, url::TopicUrl};

/// Values by pattern: finds those whose pattern matches a topic, without asking each pattern. An exact pattern
/// costs nothing unless it matches; a template or URL pattern only if the topic begins as it does.
///
/// ```
/// use sse_broadcaster_access::pattern::{Pattern, PatternIndex};
///
/// let mut index = PatternIndex::default();
/// let books = index.insert(Pattern::selector("/books/{id}")?, "books");
/// index.insert(Pattern::selector("/prices")?, "prices");
///
/// let mut found = Vec::new();
/// index.for_each_match("/books/1", |value| found.push(*value));
/// assert_eq!(found, ["books"]);
///
/// assert_eq!(index.remove(books), Some("books"));
/// assert!(!index.matches("/books/1"));
/// # Ok::<_, sse_broadcaster_access::PatternError>(())
/// ```
pub struct PatternIndex<T> {
    slots: Vec<Option<(Pattern, T)>>,
    free: Vec<usize>,
    all: Vec<usize>,
    exact: HashMap<Box<str>, SmallVec<[usize; 1]>, RandomState>,
    templates: Affixes,
    /// The URL patterns, by base.
    urls: Vec<(Option<BaseUrl>, Affixes)>,
}

/// Where a [`PatternIndex`] keeps one value. Used again once that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot(usize);

impl<T> Default for PatternIndex<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            all: Vec::new(),
            exact: HashMap::default(),
            templates: Affixes::default(),
            urls: Vec::new(),
        }
    }
}

impl<T> fmt::Debug for PatternIndex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PatternIndex({} patterns)", self.len())
    }
}

impl<T> PatternIndex<T> {
    /// Adds a value. The same pattern may be added more than once, and is then matched as often.
    pub fn insert(&mut self, pattern: Pattern, value: T) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        match &pattern.0.matcher {
            Matcher::All => self.all.push(slot),
            Matcher::Exact => {
                let slots = self.exact.entry(pattern.text().into()).or_default();
                slots.push(slot);
            }
            Matcher::Template(template) | Matcher::Covering(template) => {
                self.templates.insert(template.affixes(), slot);
            }
            Matcher::UrlPattern(url) => self.urls(url.base()).insert(url.affixes(), slot),
        }
        self.slots[slot] = Some((pattern, value));
        Slot(slot)
    }

    /// Removes a value.
    pub fn remove(&mut self, slot: Slot) -> Option<T> {
        let slot = slot.0;
        let (pattern, value) = self.slots.get_mut(slot)?.take()?;
        self.free.push(slot);
        match &pattern.0.matcher {
            Matcher::All => self.all.retain(|other| *other != slot),
            Matcher::Exact => {
                if let Some(slots) = self.exact.get_mut(pattern.text()) {
                    slots.retain(|other| *other != slot);
                    if slots.is_empty() {
                        self.exact.remove(pattern.text());
                    }
                }
            }
            Matcher::Template(template) | Matcher::Covering(template) => {
                self.templates.remove(template.affixes(), slot);
            }
            Matcher::UrlPattern(url) => {
                self.urls(url.base()).remove(url.affixes(), slot);
                self.urls.retain(|(_, affixes)| !affixes.is_empty());
            }
        }
        Some(value)
    }

    /// The value in a slot.
    #[must_use]
    pub fn get(&self, slot: Slot) -> Option<&T> {
        let entry = self.slots.get(slot.0)?.as_ref();
        entry.map(|(_, value)| value)
    }

    /// The value in a slot.
    pub fn get_mut(&mut self, slot: Slot) -> Option<&mut T> {
        let entry = self.slots.get_mut(slot.0)?.as_mut();
        entry.map(|(_, value)| value)
    }

    /// How many values it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Whether it has no value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls `f` for each value whose pattern matches the topic, in no particular order.
    pub fn for_each_match<'a>(&'a self, topic: &str, mut f: impl FnMut(&'a T)) {
        let mut visit = |slot: usize| {
            if let Some((_, value)) = &self.slots[slot] {
                f(value);
            }
            ControlFlow::Continue(())
        };
        let _ = self
            .visit_plain(topic, &mut visit)
            .is_continue()
            .then(|| self.visit_compiled(topic, &mut visit));
    }

    /// Whether any pattern matches the topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        self.matches_plain(topic) || self.matches_compiled(topic)
    }

    /// Whether `*` or an exact pattern does.
    pub(super) fn matches_plain(&self, topic: &str) -> bool {
        self.visit_plain(topic, |_| ControlFlow::Break(()))
            .is_break()
    }

    /// Whether a template or URL pattern does.
    pub(super) fn matches_compiled(&self, topic: &str) -> bool {
        self.visit_compiled(topic, |_| ControlFlow::Break(()))
            .is_break()
    }

    /// Whether it has a template or URL pattern.
    pub(super) fn has_compiled(&self) -> bool {
        !self.templates.is_empty() || !self.urls.is_empty()
    }

    fn visit_plain(
        &self,
        topic: &str,
        mut f: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.all.iter().try_for_each(|slot| f(*slot))?;
        match self.exact.get(topic) {
            Some(slots) => slots.iter().try_for_each(|slot| f(*slot)),
            None => ControlFlow::Continue(()),
        }
    }

    fn visit_compiled(
        &self,
        topic: &str,
        mut f: impl FnMut(usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let mut if_matches = |slot: usize| match &self.slots[slot] {
            Some((pattern, _)) if pattern.matches(topic) => f(slot),
            _ => ControlFlow::Continue(()),
        };
        self.templates.visit(topic.as_bytes(), &mut if_matches)?;
        if !is_short(topic) {
            return ControlFlow::Continue(());
        }
        for (base, affixes) in &self.urls {
            TopicUrl::with(base.as_ref(), topic, |url| match url {
                None => ControlFlow::Continue(()),
                Some(url) => affixes.visit(url.key(), |slot| match &self.slots[slot] {
                    Some((pattern, _)) if pattern.matches_url(url) => f(slot),
                    _ => ControlFlow::Continue(()),
                }),
            })?;
        }
        ControlFlow::Continue(())
    }

    fn urls(&mut self, base: Option<&BaseUrl>) -> &mut Affixes {
        let at = self.urls.iter().position(|(of, _)| of.as_ref() == base);
        let at = at.unwrap_or_else(|| {
            self.urls.push((base.cloned(), Affixes::default()));
            self.urls.len() - 1
        });
        &mut self.urls[at].1
    }
}
