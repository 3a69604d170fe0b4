use std::{cmp::Reverse, collections::BTreeMap};

/// Most different reasons that are counted apart.
const MAX_REASONS: usize = 8;
/// A reason may quote the server.
const MAX_REASON_CHARS: usize = 300;

/// Why something failed, and how often.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Reasons(BTreeMap<String, u64>);

impl Reasons {
    pub(crate) fn add(&mut self, why: &str, count: u64) {
        if count == 0 {
            return;
        }
        let why = why.chars().take(MAX_REASON_CHARS);
        let why = why.map(|c| if c.is_control() { ' ' } else { c }).collect();
        if self.0.contains_key(&why) || self.0.len() < MAX_REASONS {
            *self.0.entry(why).or_default() += count;
        } else {
            *self.0.entry("other reasons".to_owned()).or_default() += count;
        }
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.values().sum()
    }

    /// The most frequent first.
    pub(crate) fn sorted(&self) -> Vec<(&str, u64)> {
        let mut all: Vec<_> = self.0.iter().map(|(why, count)| (&**why, *count)).collect();
        all.sort_by_key(|(_, count)| Reverse(*count));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_from_a_server_cannot_move_the_cursor_or_fill_the_screen() {
        let mut reasons = Reasons::default();
        reasons.add(&format!("\x1b[2J{}", "a".repeat(9_999)), 1);
        let expected = format!(" [2J{}", "a".repeat(MAX_REASON_CHARS - 4));
        assert_eq!(reasons.sorted(), [(&*expected, 1)]);
    }

    #[test]
    fn reasons_are_grouped_and_bounded_and_the_most_frequent_comes_first() {
        let mut reasons = Reasons::default();
        for number in 0..100 {
            reasons.add(&format!("reason {number}"), 1);
        }
        reasons.add("reason 7", 200);
        assert_eq!(reasons.count(), 300);
        let sorted = reasons.sorted();
        assert_eq!(sorted[0], ("reason 7", 201));
        assert_eq!(sorted[1], ("other reasons", 92));
        assert_eq!(sorted.len(), MAX_REASONS + 1);
    }
}
