//! A request that did not publish all of its lines.

use crate::{Failure, input_line::InputLine, publisher::PublishError};

/// A line with its number in the input, from 1.
pub(super) type NumberedLine = (u64, InputLine);

pub(super) struct Failed {
    pub(super) why: String,
    /// How many of the lines were published.
    pub(super) published: usize,
    is_temporary: bool,
    remaining: Remaining,
}

/// What is known of the lines that were not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Remaining {
    /// The first of them was rejected.
    Rejected,
    NotPublished,
    /// They may have been published.
    Unknown,
}

impl Failed {
    pub(super) fn new(error: PublishError) -> Self {
        let (why, is_temporary, remaining) = match error {
            PublishError::Rejected {
                why,
                problem,
                is_temporary,
            } => {
                let remaining = if is_temporary && problem.is_outcome_unknown() {
                    Remaining::Unknown
                } else if problem.line.is_some() {
                    Remaining::Rejected
                } else {
                    Remaining::NotPublished
                };
                return Self {
                    why,
                    // The lines before the rejected one were published: the server accepts many at once.
                    published: usize::try_from(problem.count).unwrap_or(usize::MAX),
                    is_temporary,
                    remaining,
                };
            }
            PublishError::Unsent { why, is_temporary } => {
                (why, is_temporary, Remaining::NotPublished)
            }
            PublishError::NoResponse(why) => (why, true, Remaining::Unknown),
            PublishError::UnexpectedResponse(why) => (why, false, Remaining::Unknown),
        };
        Self {
            why,
            published: 0,
            is_temporary,
            remaining,
        }
    }

    /// Whether `lines`, which were not acknowledged, may be sent again.
    pub(super) fn may_be_repeated(&self, lines: &[NumberedLine]) -> bool {
        let are_repeatable = lines.iter().all(|(_, line)| line.is_repeatable);
        self.is_temporary && (self.remaining != Remaining::Unknown || are_repeatable)
    }

    /// The error of the command. `lines` are those that were not acknowledged.
    pub(super) fn failure(self, lines: &[NumberedLine]) -> Failure {
        let why = self.why;
        let numbers = match lines {
            [(first, _), .., (last, _)] => format!("lines {first} to {last} were"),
            [(one, _)] => format!("line {one} was"),
            [] => return Failure::new(why),
        };
        Failure::new(match (self.remaining, lines) {
            (Remaining::Rejected, [(first, _), ..]) => format!("line {first}: {why}"),
            (Remaining::Unknown, _) => format!("{why}; whether {numbers} published is not known"),
            _ => format!("{why}; {numbers} not published"),
        })
    }
}
