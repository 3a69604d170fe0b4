use std::{
    fmt,
    hash::{Hash, Hasher},
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use super::{MAX_PATTERNS, Pattern, PatternError, PatternIndex, PatternKind, memo};
use crate::intern::Interner;

/// As many are asked one after the other, which is faster than an index.
const FEW: usize = 4;

/// Patterns of which any may match. It never changes; cloning copies a pointer, and equal sets share memory.
#[derive(Clone)]
pub struct PatternSet(Arc<Set>);

struct Set {
    /// Its own, for [`memo`].
    number: u64,
    /// In order, each once.
    patterns: Box<[Pattern]>,
    is_all: bool,
    /// If there are more than a few.
    index: Option<Box<PatternIndex<()>>>,
}

static SETS: Interner<Set> = Interner::new();
static NONE: LazyLock<PatternSet> = LazyLock::new(|| PatternSet::of(Vec::new()));
static ALL: LazyLock<PatternSet> = LazyLock::new(|| PatternSet::of(vec![Pattern::all()]));

impl PatternSet {
    /// Of these patterns; the order and repetitions do not matter.
    ///
    /// # Errors
    /// [`PatternError::TooMany`], if they are more than [`MAX_PATTERNS`].
    pub fn new(patterns: impl IntoIterator<Item = Pattern>) -> Result<Self, PatternError> {
        let patterns: Vec<_> = patterns.into_iter().take(MAX_PATTERNS + 1).collect();
        if patterns.len() > MAX_PATTERNS {
            return Err(PatternError::TooMany { max: MAX_PATTERNS });
        }
        Ok(Self::of(patterns))
    }

    /// Matches no topic.
    #[must_use]
    pub fn none() -> Self {
        NONE.clone()
    }

    /// Matches every topic.
    #[must_use]
    pub fn all() -> Self {
        ALL.clone()
    }

    fn of(mut patterns: Vec<Pattern>) -> Self {
        patterns.sort_unstable();
        patterns.dedup();
        // The others add nothing to `*`, which sorts first.
        if patterns.first().is_some_and(is_all) {
            patterns.truncate(1);
        }
        let is_it = |set: &Set| *set.patterns == *patterns;
        if let Some(known) = SETS.find(&*patterns, is_it) {
            return Self(known);
        }
        Self(SETS.intern(Set::new(patterns)))
    }

    /// Whether any pattern matches the topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let set = &*self.0;
        if set.is_all {
            return true;
        }
        let Some(index) = &set.index else {
            return set.patterns.iter().any(|pattern| pattern.matches(topic));
        };
        index.matches_plain(topic)
            || index.has_compiled()
                && memo::matches(set.number, topic, || index.matches_compiled(topic))
    }

    /// Whether it has this very pattern, or `*`. A pattern that happens to match no more than another one does
    /// not count: that is not decidable in reasonable time.
    #[must_use]
    pub fn covers(&self, pattern: &Pattern) -> bool {
        self.0.is_all || self.0.patterns.binary_search(pattern).is_ok()
    }

    /// Whether it matches every topic, as `*` does.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_all
    }

    /// Whether it matches none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.patterns.is_empty()
    }

    /// The patterns, each once.
    pub fn iter(&self) -> std::slice::Iter<'_, Pattern> {
        self.0.patterns.iter()
    }

    /// Whether both are one in memory, as equal sets are while the table of sets has room.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Set {
    fn new(patterns: Vec<Pattern>) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let index = (patterns.len() > FEW).then(|| {
            let mut index = Box::<PatternIndex<()>>::default();
            for pattern in &patterns {
                index.insert(pattern.clone(), ());
            }
            index
        });
        Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            is_all: patterns.first().is_some_and(is_all),
            patterns: patterns.into(),
            index,
        }
    }
}

fn is_all(pattern: &Pattern) -> bool {
    pattern.kind() == PatternKind::All
}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        self.patterns == other.patterns
    }
}

impl Eq for Set {}

impl Hash for Set {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.patterns.hash(state);
    }
}

impl PartialEq for PatternSet {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.0 == other.0
    }
}

impl Eq for PatternSet {}

impl Hash for PatternSet {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Default for PatternSet {
    fn default() -> Self {
        Self::none()
    }
}

impl<'a> IntoIterator for &'a PatternSet {
    type Item = &'a Pattern;
    type IntoIter = std::slice::Iter<'a, Pattern>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Debug for PatternSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self).finish()
    }
}
