//! Names that a log holds, listed page by page.

use std::collections::BinaryHeap;

use crate::event::{EventId, Topic};

/// What is listed. A history has no names of a kind that it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NameKind {
    /// Topics of the events that are held, but for those that begin with `$`.
    Topics,
    /// Keys of retained values.
    RetainedKeys,
}

/// Which names of a kind are listed, in the order of their bytes.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct NameRange<'a> {
    /// How they begin; empty, the default, for any.
    pub prefix: &'a str,
    /// The name that they come after; empty, the default, for the first.
    pub after: &'a str,
    /// Most names.
    pub limit: usize,
}

/// Names in order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names {
    /// Each with the id of its newest event, or the one that its value was written at.
    pub found: Vec<(String, EventId)>,
    /// Others come after these.
    pub more: bool,
}

impl<'a> NameRange<'a> {
    /// The first so many names.
    #[must_use]
    pub const fn new(limit: usize) -> Self {
        Self {
            prefix: "",
            after: "",
            limit,
        }
    }

    /// Sets [`prefix`](Self::prefix).
    #[must_use]
    pub const fn prefix(mut self, prefix: &'a str) -> Self {
        self.prefix = prefix;
        self
    }

    /// Sets [`after`](Self::after).
    #[must_use]
    pub const fn after(mut self, after: &'a str) -> Self {
        self.after = after;
        self
    }

    /// The first of these names, in order, and whether there are more.
    pub(super) fn first<N: AsRef<str> + Ord>(
        &self,
        kind: NameKind,
        names: impl Iterator<Item = N>,
    ) -> (Vec<N>, bool) {
        let mut first = BinaryHeap::new();
        let mut more = false;
        for name in names.filter(|name| self.holds(kind, name.as_ref())) {
            if first.len() < self.limit {
                first.push(name);
                continue;
            }
            more = true;
            if first.peek().is_some_and(|last| name < *last) {
                first.pop();
                first.push(name);
            }
        }
        (first.into_sorted_vec(), more)
    }

    /// Whether this name is in the range, past the limit or not.
    #[must_use]
    pub fn holds(&self, kind: NameKind, name: &str) -> bool {
        let is_listed = kind == NameKind::RetainedKeys || !Topic::is_internal_name(name);
        is_listed && name.starts_with(self.prefix) && name > self.after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_names_of_a_range_come_in_order_whatever_the_order_they_are_found_in() {
        let names = ["b", "$x", "ab", "c", "a", "abc", "aa"];
        let first = |prefix, after, limit| {
            let range = NameRange::new(limit).prefix(prefix).after(after);
            range.first(NameKind::Topics, names.into_iter())
        };
        assert_eq!(
            first("", "", 9),
            (vec!["a", "aa", "ab", "abc", "b", "c"], false)
        );
        assert_eq!(first("", "", 2), (vec!["a", "aa"], true));
        assert_eq!(first("", "aa", 2), (vec!["ab", "abc"], true));
        assert_eq!(first("ab", "", 2), (vec!["ab", "abc"], false));
        assert_eq!(first("", "c", 2), (vec![], false));
        assert_eq!(first("", "", 0), (vec![], true));
    }
}
