//! The templates of which each topic can be read in only one way, from left to right: nearly all. They need no
//! regular expression, which costs memory of its own, and more time.

use super::parse::{Expression, Modifier, Operator, Part};

/// What a template matches one after the other.
pub(super) struct Steps(Box<[Step]>);

enum Step {
    Literal(Box<[u8]>),
    /// `lead`, which may be missing together with what is behind it unless it is empty; then any number of
    /// characters of the class.
    Run {
        lead: Box<[u8]>,
        class: Class,
    },
}

/// Characters of values, of which `%` is one only with two digits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    /// Unreserved ones, and the comma of a list.
    Unreserved,
    /// All.
    Reserved,
}

impl Class {
    fn contains(self, byte: u8) -> bool {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b'%' => {
                true
            }
            b':' | b'/' | b'?' | b'#' | b'[' | b']' | b'@' => self == Self::Reserved,
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'=' => {
                self == Self::Reserved
            }
            _ => false,
        }
    }

    /// What is left of `text` behind characters of this class.
    fn skip(self, mut text: &[u8]) -> &[u8] {
        loop {
            match text {
                [b'%', high, low, rest @ ..] => {
                    if !high.is_ascii_hexdigit() || !low.is_ascii_hexdigit() {
                        return text;
                    }
                    text = rest;
                }
                [b'%', ..] | [] => return text,
                [byte, rest @ ..] => {
                    if !self.contains(*byte) {
                        return text;
                    }
                    text = rest;
                }
            }
        }
    }
}

impl Steps {
    /// `None` if some topic could be read in two ways.
    pub(super) fn of(parts: &[Part<'_>]) -> Option<Self> {
        let mut steps = Vec::new();
        for part in parts {
            match part {
                Part::Literal(literal) if literal.is_ascii() => {
                    steps.push(Step::Literal(literal.as_bytes().into()));
                }
                Part::Literal(_) => return None,
                Part::Expression(expression) => push(&mut steps, expression)?,
            }
        }
        is_unambiguous(&steps).then(|| Self(steps.into()))
    }

    pub(super) fn matches(&self, topic: &[u8]) -> bool {
        let mut rest = topic;
        for step in &self.0 {
            match step {
                Step::Literal(literal) => match rest.strip_prefix(&**literal) {
                    Some(behind) => rest = behind,
                    None => return false,
                },
                Step::Run { lead, class } => {
                    if let Some(behind) = rest.strip_prefix(&**lead) {
                        rest = class.skip(behind);
                    }
                }
            }
        }
        rest.is_empty()
    }
}

fn push(steps: &mut Vec<Step>, expression: &Expression<'_>) -> Option<()> {
    let variables = &expression.variables;
    if variables
        .iter()
        .any(|variable| !matches!(variable.modifier, Modifier::None))
    {
        return None;
    }
    let mut run = |lead: &str, class| {
        let lead = lead.as_bytes().into();
        steps.push(Step::Run { lead, class });
    };
    match expression.operator {
        // Variables behind the first one are like further members of a list.
        Operator::Simple => run("", Class::Unreserved),
        Operator::Reserved => run("", Class::Reserved),
        Operator::Fragment => run("#", Class::Reserved),
        Operator::Label => run(".", Class::Unreserved),
        Operator::Path => variables.iter().for_each(|_| run("/", Class::Unreserved)),
        Operator::Continuation => {
            for variable in variables {
                run(&format!("&{}=", variable.name), Class::Unreserved);
            }
        }
        Operator::Query if variables.len() == 1 => {
            run(&format!("?{}=", variables[0].name), Class::Unreserved);
        }
        Operator::Query | Operator::Parameters => return None,
    }
    Some(())
}

/// Whether the next byte always decides: behind a run none of its class can follow, and no step can begin as
/// one does that may be missing before it.
fn is_unambiguous(steps: &[Step]) -> bool {
    steps.iter().enumerate().all(|(at, step)| {
        let following = first_bytes(&steps[at + 1..]);
        match step {
            Step::Literal(_) => true,
            Step::Run { lead, class } => following.iter().all(|byte| match byte {
                None => false,
                Some(byte) => !class.contains(*byte) && lead.first() != Some(byte),
            }),
        }
    })
}

/// With what bytes a text can begin that these steps match; `None` stands for any of a class.
fn first_bytes(steps: &[Step]) -> Vec<Option<u8>> {
    let mut first = Vec::new();
    for step in steps {
        match step {
            Step::Literal(literal) => {
                first.push(literal.first().copied());
                break;
            }
            Step::Run { lead, .. } => first.push(lead.first().copied()),
        }
    }
    first
}
