//! Components of URL patterns that can be read in only one way, from left to right: nearly all. They need no regular
//! expression, which takes memory of its own, and more time.

/// What a component matches one after the other.
#[derive(Debug)]
pub(super) struct Steps(Box<[Step]>);

#[derive(Debug, PartialEq)]
enum Step {
    Literal(Box<[u8]>),
    /// One byte or more, none of which is this one.
    Until(u8),
    /// Whatever is left.
    Rest,
}

impl Steps {
    /// From what `*`, `:name` and texts become as a regular expression. `None` for any other one, and if some text
    /// could be read in two ways.
    pub(super) fn of(regex: &str) -> Option<Self> {
        let mut rest = regex.strip_prefix('^')?.strip_suffix('$')?;
        let (mut steps, mut literal, mut is_open) = (Vec::new(), Vec::new(), false);
        while !rest.is_empty() {
            if let Some((behind, step)) = group(rest) {
                rest = behind;
                push_literal(&mut steps, &mut literal);
                steps.push(step);
            } else if let Some(behind) = rest.strip_prefix("(?:").filter(|_| !is_open) {
                rest = behind;
                is_open = true;
            } else if let Some(behind) = rest.strip_prefix(')').filter(|_| is_open) {
                rest = behind;
                is_open = false;
            } else {
                let (byte, behind) = literal_byte(rest)?;
                rest = behind;
                literal.push(byte);
            }
        }
        push_literal(&mut steps, &mut literal);
        is_unambiguous(&steps).then(|| Self(steps.into()))
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let mut rest = text.as_bytes();
        for step in &self.0 {
            match step {
                Step::Literal(literal) => match rest.strip_prefix(&**literal) {
                    Some(behind) => rest = behind,
                    None => return false,
                },
                Step::Until(end) => {
                    let length = rest.iter().position(|byte| byte == end);
                    rest = match length.unwrap_or(rest.len()) {
                        0 => return false,
                        length => &rest[length..],
                    };
                }
                Step::Rest => return true,
            }
        }
        rest.is_empty()
    }
}

fn group(text: &str) -> Option<(&str, Step)> {
    let groups = [
        ("([^/]+?)", Step::Until(b'/')),
        (r"([^\.]+?)", Step::Until(b'.')),
        ("(.*)", Step::Rest),
    ];
    let mut begun = groups.into_iter().filter_map(|(written, step)| {
        let behind = text.strip_prefix(written)?;
        Some((behind, step))
    });
    begun.next()
}

/// The first byte of a text, and what is behind it; `None` if anything else begins here.
fn literal_byte(text: &str) -> Option<(u8, &str)> {
    match text.as_bytes() {
        [b'\\', byte, ..] if byte.is_ascii_punctuation() => Some((*byte, &text[2..])),
        [byte, ..] if byte.is_ascii() && !br".+*?^$(){}[]|\".contains(byte) => {
            Some((*byte, &text[1..]))
        }
        _ => None,
    }
}

fn push_literal(steps: &mut Vec<Step>, literal: &mut Vec<u8>) {
    if !literal.is_empty() {
        steps.push(Step::Literal(std::mem::take(literal).into()));
    }
}

fn is_unambiguous(steps: &[Step]) -> bool {
    steps.iter().enumerate().all(|(at, step)| {
        let following = steps.get(at + 1);
        match (step, following) {
            (Step::Literal(_), _) | (_, None) => true,
            (Step::Rest, Some(_)) => false,
            (Step::Until(end), Some(Step::Literal(literal))) => literal.first() == Some(end),
            (Step::Until(_), Some(next)) => *next == Step::Rest,
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn a_component_that_can_be_read_in_two_ways_has_no_steps() {
        for text in [
            "^$",
            "^([^/]+?)/b(?:/([^/]+?))$",
            "^(?:/([^/]+?))/a(.*)$",
            "^([^/]+?)(.*)$",
            r"^([^\.]+?)\.(.*)$",
        ] {
            assert!(Steps::of(text).is_some(), "{text}");
        }
        for text in [
            "^([^/]+?)-([^/]+?)$",
            r"^(?:/([^/]+?))\.a$",
            "^(.*)/([^/]+?)$",
            "^(?:/([^/]+?))?$",
            "^([^/]+?)?$",
            "^(a|b)$",
            "^(?:/((?:[^/]+?)(?:/(?:[^/]+?))*))$",
            r"^\d$",
            "^é$",
            "^a",
        ] {
            assert!(Steps::of(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn steps_match_what_the_regular_expression_does(
            parts in prop::collection::vec(
                prop::sample::select(&[
                    "([^/]+?)", "(.*)", "(?:/([^/]+?))", "(?:/(.*))", r"([^\.]+?)", r"\.", "/", "a", "b/",
                ]),
                0..6,
            ),
            texts in prop::collection::vec("[ab/.]{0,8}", 20),
        ) {
            let text = format!("^{}$", parts.concat());
            let Some(steps) = Steps::of(&text) else {
                return Ok(());
            };
            let regex = Regex::new(&text).unwrap();
            for topic in texts {
                prop_assert_eq!(steps.matches(&topic), regex.is_match(&topic), "{} {}", text, topic);
            }
        }
    }
}
