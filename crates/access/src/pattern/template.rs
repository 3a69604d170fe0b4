//! URI templates (RFC 6570, level 4) as matchers: a template matches exactly what it can expand to, for any
//! values of its variables: undefined, a string, a list or an associative array.

use std::fmt::Write as _;

use super::{MAX_TEMPLATE_BYTES, MAX_VARIABLES, PatternError, counted::CountedRegex};

mod parse;
mod steps;

use parse::{Expression, Modifier, Operator, Part, Variable};
use steps::Steps;

/// Memory for the states that one search may keep, in bytes.
const SEARCH_BYTES: usize = 64 << 10;

/// One character of a value behind `{var}`: unreserved, or percent-encoded.
const UNRESERVED: &str = r"(?:[A-Za-z0-9\-._~]|%[0-9A-Fa-f]{2})";
/// The same, or a comma between members of a list.
const UNRESERVED_LIST: &str = r"(?:[A-Za-z0-9\-._~,]|%[0-9A-Fa-f]{2})";
/// One character of a value behind `{+var}` and `{#var}`: also the reserved ones, of which the comma is one.
const RESERVED: &str = r"(?:[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})";
/// What one code point of the value becomes, which is what `{var:3}` counts.
const CODE_POINT: &str = r"(?:[A-Za-z0-9\-._~]|%[0-7][0-9A-Fa-f]|%[CDcd][0-9A-Fa-f]%[89ABab][0-9A-Fa-f]|%[Ee][0-9A-Fa-f](?:%[89ABab][0-9A-Fa-f]){2}|%[Ff][0-4](?:%[89ABab][0-9A-Fa-f]){3})";

/// A compiled template.
pub(super) struct Template {
    /// Each match begins with this.
    prefix: Box<str>,
    /// Each match ends with this, behind the prefix.
    suffix: Box<str>,
    between: Between,
}

/// What stands in place of the variables of a template.
#[derive(Debug, Clone, Copy)]
enum Variables {
    Expanded,
    AnyText,
}

/// What may be between prefix and suffix.
enum Between {
    /// Any text.
    Any,
    Steps(Steps),
    Regex(Box<CountedRegex>),
}

impl Template {
    /// `None` if it is not a valid template.
    pub(super) fn compile(text: &str) -> Result<Option<Self>, PatternError> {
        Self::compile_with(text, Variables::Expanded)
    }

    /// The same, with any text in place of each variable.
    pub(super) fn compile_covering(text: &str) -> Result<Option<Self>, PatternError> {
        Self::compile_with(text, Variables::AnyText)
    }

    fn compile_with(text: &str, variables_are: Variables) -> Result<Option<Self>, PatternError> {
        let Some(parts) = parse::parse(text) else {
            return Ok(None);
        };
        let variables = parts.iter().map(|part| match part {
            Part::Literal(_) => 0,
            Part::Expression(expression) => expression.variables.len(),
        });
        let too_complex = || PatternError::TooComplex(text.to_owned());
        if variables.sum::<usize>() > MAX_VARIABLES {
            return Err(too_complex());
        }
        let (prefix, parts) = match &*parts {
            [Part::Literal(literal), rest @ ..] if literal.is_ascii() => (*literal, rest),
            all => ("", all),
        };
        let (parts, suffix) = match parts {
            [rest @ .., Part::Literal(literal)] if literal.is_ascii() => (rest, *literal),
            all => (all, ""),
        };
        let steps = || match variables_are {
            Variables::Expanded => Steps::of(parts),
            Variables::AnyText => None,
        };
        let between = if let (Variables::AnyText, [Part::Expression(_)]) = (variables_are, parts) {
            Between::Any
        } else if let Some(steps) = steps() {
            Between::Steps(steps)
        } else {
            let text = to_regex(parts, variables_are);
            let regex = CountedRegex::compile(&text, MAX_TEMPLATE_BYTES, SEARCH_BYTES);
            Between::Regex(Box::new(regex.map_err(|_| too_complex())?))
        };
        Ok(Some(Self {
            prefix: prefix.into(),
            suffix: suffix.into(),
            between,
        }))
    }

    pub(super) fn has_regex(&self) -> bool {
        matches!(self.between, Between::Regex(_))
    }

    /// With what each match begins and ends.
    pub(super) fn affixes(&self) -> (&[u8], &[u8]) {
        (self.prefix.as_bytes(), self.suffix.as_bytes())
    }

    pub(super) fn matches(&self, topic: &str) -> bool {
        let between = topic.strip_prefix(&*self.prefix);
        let between = between.and_then(|rest| rest.strip_suffix(&*self.suffix));
        between.is_some_and(|between| match &self.between {
            Between::Any => true,
            Between::Steps(steps) => steps.matches(between.as_bytes()),
            Between::Regex(regex) => regex.is_match(between),
        })
    }
}

fn to_regex(parts: &[Part<'_>], variables_are: Variables) -> String {
    let mut regex = String::from(r"\A");
    for part in parts {
        match part {
            Part::Literal(literal) => push_literal(&mut regex, literal),
            Part::Expression(expression) => match variables_are {
                Variables::Expanded => push_expression(&mut regex, expression),
                Variables::AnyText => regex.push_str("(?s:.*)"),
            },
        }
    }
    regex.push_str(r"\z");
    regex
}

/// What is not ASCII is percent-encoded in an expansion; a publisher who left it as it is means the same.
fn push_literal(regex: &mut String, literal: &str) {
    for char in literal.chars() {
        let mut buffer = [0; 4];
        let utf8 = char.encode_utf8(&mut buffer);
        if char.is_ascii() {
            regex.push_str(&regex::escape(utf8));
            continue;
        }
        let _ = write!(regex, "(?:{utf8}|(?i:");
        for byte in utf8.bytes() {
            let _ = write!(regex, "%{byte:02X}");
        }
        regex.push_str("))");
    }
}

/// Those variables that are defined, in order, with a separator between them, behind the operator's first
/// character; nothing if none is defined.
fn push_expression(regex: &mut String, expression: &Expression<'_>) {
    let operator = expression.operator;
    let variables: Vec<String> = expression
        .variables
        .iter()
        .map(|variable| to_value(operator, variable))
        .collect();
    let separator = regex::escape(operator.separator());
    if operator.first() == operator.separator() {
        for variable in variables {
            let _ = write!(regex, "(?:{separator}{variable})?");
        }
        return;
    }
    let _ = write!(regex, "(?:{}(?:", regex::escape(operator.first()));
    for first in 0..variables.len() {
        if first > 0 {
            regex.push('|');
        }
        regex.push_str(&variables[first]);
        for next in &variables[first + 1..] {
            let _ = write!(regex, "(?:{separator}{next})?");
        }
    }
    regex.push_str("))?");
}

/// What one variable that is defined becomes.
fn to_value(operator: Operator, variable: &Variable<'_>) -> String {
    let (one, list) = if operator.allows_reserved() {
        (RESERVED, RESERVED)
    } else {
        (UNRESERVED, UNRESERVED_LIST)
    };
    let separator = regex::escape(operator.separator());
    let pairs = |pair: &str| format!("(?:{pair}(?:{separator}{pair})*)");
    if !operator.is_named() {
        return match variable.modifier {
            Modifier::None => format!("{list}*"),
            Modifier::Prefix(max) => to_prefix(operator, 0, max),
            Modifier::Explode => {
                let members = pairs(&format!("{one}*"));
                let pairs = pairs(&format!("{one}+={one}*"));
                format!("(?:{members}|{pairs})")
            }
        };
    }
    // `;` leaves the equals sign out if the value is empty, `?` and `&` do not.
    let with = |name: &str, value: &str| match operator {
        Operator::Parameters => format!("{name}(?:={value})?"),
        _ => format!("{name}={value}"),
    };
    let (min, repeat) = match operator {
        Operator::Parameters => (1, '+'),
        _ => (0, '*'),
    };
    let name = regex::escape(variable.name);
    match variable.modifier {
        Modifier::None => with(&name, &format!("{list}{repeat}")),
        Modifier::Prefix(max) => with(&name, &to_prefix(operator, min, max)),
        // A list repeats the variable's name, which is one of the names that an array could have.
        Modifier::Explode => pairs(&with(&format!("{one}+"), &format!("{one}{repeat}"))),
    }
}

fn to_prefix(operator: Operator, min: u16, max: u16) -> String {
    let code_point = if operator.allows_reserved() {
        format!("(?:{CODE_POINT}|{RESERVED})")
    } else {
        CODE_POINT.to_owned()
    };
    format!("{code_point}{{{min},{max}}}")
}
