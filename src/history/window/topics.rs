//! The window's index by topic.

use std::collections::{HashMap, VecDeque, vec_deque};

use crate::event::Topic;

/// For each topic the numbers of its events, in order. Numbers are added at the end and removed at the front.
#[derive(Default)]
pub(super) struct TopicIndex(HashMap<Topic, VecDeque<u64>>);

impl TopicIndex {
    /// Adds an event; true where the topic is new.
    pub(super) fn push(&mut self, topic: &Topic, number: u64) -> bool {
        if let Some(numbers) = self.0.get_mut(topic) {
            numbers.push_back(number);
            return false;
        }
        self.0.insert(topic.clone(), VecDeque::from([number]));
        true
    }

    /// Removes the topic's oldest event; true where it was the last one, and the topic is gone.
    pub(super) fn pop(&mut self, topic: &Topic) -> bool {
        self.take(topic, |numbers| {
            numbers.pop_front();
        })
    }

    /// Removes an event; true where it was the last one, and the topic is gone.
    pub(super) fn remove(&mut self, topic: &Topic, number: u64) -> bool {
        self.take(topic, |numbers| {
            if let Ok(at) = numbers.binary_search(&number) {
                numbers.remove(at);
            }
        })
    }

    fn take(&mut self, topic: &Topic, take: impl FnOnce(&mut VecDeque<u64>)) -> bool {
        let Some(numbers) = self.0.get_mut(topic) else {
            return false;
        };
        take(numbers);
        let is_last = numbers.is_empty();
        if is_last {
            self.0.remove(topic);
        }
        is_last
    }

    /// Adds an event in its place; true where the topic is new.
    pub(super) fn insert(&mut self, topic: &Topic, number: u64) -> bool {
        let Some(numbers) = self.0.get_mut(topic) else {
            return self.push(topic, number);
        };
        let at = numbers.partition_point(|other| *other < number);
        numbers.insert(at, number);
        false
    }

    /// The topic's events before this number, in order.
    pub(super) fn before(&self, topic: &Topic, number: u64) -> impl Iterator<Item = u64> {
        let numbers = self.numbers(topic).copied();
        numbers.take_while(move |other| *other < number)
    }

    /// The topic's events from the first of these numbers on and before the second, the newest first.
    pub(super) fn newest_between(
        &self,
        topic: &Topic,
        from: u64,
        to: u64,
    ) -> impl Iterator<Item = u64> {
        let numbers = self.numbers(topic).rev().copied();
        numbers
            .skip_while(move |number| *number >= to)
            .take_while(move |number| *number >= from)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The topics that have events, in no order.
    pub(super) fn topics(&self) -> impl Iterator<Item = &Topic> {
        self.0.keys()
    }

    /// The number of the topic's newest event.
    pub(super) fn newest(&self, topic: &Topic) -> Option<u64> {
        self.0.get(topic)?.back().copied()
    }

    /// The numbers of one topic's events.
    fn numbers(&self, topic: &Topic) -> vec_deque::Iter<'_, u64> {
        self.0.get(topic).map(VecDeque::iter).unwrap_or_default()
    }

    /// The numbers from `first` on of events that have one of these topics, in order and without repeats. At most
    /// `max` are taken of each topic; the second value is the number up to which none is missing, `None` where
    /// none is at all.
    pub(super) fn numbers_from(
        &self,
        topics: &[Topic],
        first: u64,
        max: usize,
    ) -> (Vec<u64>, Option<u64>) {
        let mut found: Vec<u64> = Vec::new();
        let mut complete_to: Option<u64> = None;
        for numbers in topics.iter().filter_map(|topic| self.0.get(topic)) {
            let skip = numbers.partition_point(|number| *number < first);
            found.extend(numbers.range(skip..).take(max));
            if numbers.len() - skip > max {
                let last = numbers[skip + max - 1];
                complete_to = Some(complete_to.map_or(last, |to| to.min(last)));
            }
        }
        found.sort_unstable();
        found.dedup();
        if let Some(to) = complete_to {
            found.retain(|number| *number <= to);
        }
        (found, complete_to)
    }

    /// The number of the `nth` newest event, counted from 1, of those that have one of these topics and are
    /// admitted.
    pub(super) fn nth_newest(
        &self,
        topics: &[Topic],
        nth: usize,
        is_admitted: impl Fn(u64) -> bool,
    ) -> Option<u64> {
        let mut newest: Vec<u64> = Vec::new();
        for topic in topics {
            let numbers = self.numbers(topic).rev().copied();
            newest.extend(numbers.filter(|number| is_admitted(*number)).take(nth));
        }
        newest.sort_unstable();
        newest.dedup();
        newest.iter().rev().nth(nth.checked_sub(1)?).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_whose_events_are_gone_leaves_nothing_behind() {
        let mut index = TopicIndex::default();
        let (a, b) = (Topic::new("a").unwrap(), Topic::new("b").unwrap());
        assert!(index.push(&a, 1) && index.push(&b, 2) && !index.push(&a, 3));
        assert!(!index.pop(&a) && index.pop(&a));
        assert_eq!(index.topics().collect::<Vec<_>>(), [&b]);
        assert_eq!(index.newest(&a), None);
    }
}
