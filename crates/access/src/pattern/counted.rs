//! Regular expressions, which are counted while they are held: each takes memory of its own, and clients that nobody
//! trusts may send patterns.

use std::sync::atomic::{AtomicUsize, Ordering};

use regex::{Error, Regex, RegexBuilder};

static HELD: AtomicUsize = AtomicUsize::new(0);

#[derive(Debug)]
pub(super) struct CountedRegex(Regex);

impl CountedRegex {
    /// Of at most so many bytes, with as many for the states that one search may keep. With less of the latter, regex
    /// takes another engine, which is linear too.
    pub(super) fn compile(
        text: &str,
        max_bytes: usize,
        search_bytes: usize,
    ) -> Result<Self, Error> {
        let mut builder = RegexBuilder::new(text);
        builder.size_limit(max_bytes).dfa_size_limit(search_bytes);
        let regex = builder.build()?;
        HELD.fetch_add(1, Ordering::Relaxed);
        Ok(Self(regex))
    }

    pub(super) fn is_match(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

impl Drop for CountedRegex {
    fn drop(&mut self) {
        HELD.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many regular expressions the patterns of this process hold. Nearly all patterns need none.
#[must_use]
pub fn held_regexes() -> usize {
    HELD.load(Ordering::Relaxed)
}
