//! The grammar of RFC 6570, section 2.

/// A template is a sequence of these.
pub(super) enum Part<'a> {
    Literal(&'a str),
    Expression(Expression<'a>),
}

/// `{…}`.
pub(super) struct Expression<'a> {
    pub(super) operator: Operator,
    pub(super) variables: Vec<Variable<'a>>,
}

pub(super) struct Variable<'a> {
    pub(super) name: &'a str,
    pub(super) modifier: Modifier,
}

#[derive(Clone, Copy)]
pub(super) enum Modifier {
    None,
    /// `:3`, the first characters of a string.
    Prefix(u16),
    /// `*`, each member of a list or array apart.
    Explode,
}

#[derive(Clone, Copy)]
pub(super) enum Operator {
    Simple,
    Reserved,
    Fragment,
    Label,
    Path,
    Parameters,
    Query,
    Continuation,
}

impl Operator {
    fn of(expression: &str) -> (Self, &str) {
        let operator = match expression.as_bytes().first() {
            Some(b'+') => Self::Reserved,
            Some(b'#') => Self::Fragment,
            Some(b'.') => Self::Label,
            Some(b'/') => Self::Path,
            Some(b';') => Self::Parameters,
            Some(b'?') => Self::Query,
            Some(b'&') => Self::Continuation,
            // The operators that are reserved for later, too, as no name begins with one.
            _ => return (Self::Simple, expression),
        };
        (operator, &expression[1..])
    }

    pub(super) fn first(self) -> &'static str {
        match self {
            Self::Simple | Self::Reserved => "",
            Self::Fragment => "#",
            Self::Label => ".",
            Self::Path => "/",
            Self::Parameters => ";",
            Self::Query => "?",
            Self::Continuation => "&",
        }
    }

    pub(super) fn separator(self) -> &'static str {
        match self {
            Self::Simple | Self::Reserved | Self::Fragment => ",",
            Self::Label => ".",
            Self::Path => "/",
            Self::Parameters => ";",
            Self::Query | Self::Continuation => "&",
        }
    }

    pub(super) fn is_named(self) -> bool {
        matches!(self, Self::Parameters | Self::Query | Self::Continuation)
    }

    pub(super) fn allows_reserved(self) -> bool {
        matches!(self, Self::Reserved | Self::Fragment)
    }
}

/// `None` if `text` is not a valid template with at least one expression.
pub(super) fn parse(text: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((literal, behind)) = rest.split_once('{') {
        let (expression, behind) = behind.split_once('}')?;
        push_literal(&mut parts, literal)?;
        parts.push(Part::Expression(parse_expression(expression)?));
        rest = behind;
    }
    if parts.is_empty() {
        return None;
    }
    push_literal(&mut parts, rest)?;
    Some(parts)
}

fn push_literal<'a>(parts: &mut Vec<Part<'a>>, literal: &'a str) -> Option<()> {
    if !literal.is_empty() {
        is_literal(literal).then(|| parts.push(Part::Literal(literal)))?;
    }
    Some(())
}

/// The apostrophe is allowed by erratum 6937.
fn is_literal(text: &str) -> bool {
    let is_excluded = |char: char| {
        matches!(
            char,
            '\0'..=' ' | '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}' | '\x7f'
        )
    };
    !text.contains(is_excluded) && has_whole_escapes(text)
}

/// Whether each `%` begins a percent-encoded byte.
fn has_whole_escapes(text: &str) -> bool {
    text.split('%').skip(1).all(|behind| {
        let digits = behind.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    })
}

fn parse_expression(expression: &str) -> Option<Expression<'_>> {
    let (operator, variables) = Operator::of(expression);
    let variables = variables.split(',').map(parse_variable);
    Some(Expression {
        operator,
        variables: variables.collect::<Option<_>>()?,
    })
}

fn parse_variable(text: &str) -> Option<Variable<'_>> {
    let (name, modifier) = if let Some(name) = text.strip_suffix('*') {
        (name, Modifier::Explode)
    } else if let Some((name, max)) = text.split_once(':') {
        (name, Modifier::Prefix(parse_max(max)?))
    } else {
        (text, Modifier::None)
    };
    is_name(name).then_some(Variable { name, modifier })
}

/// 1 to 9999, without leading zeros.
fn parse_max(digits: &str) -> Option<u16> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let is_it = is_number && digits.len() <= 4 && !digits.starts_with('0');
    is_it.then(|| digits.parse().ok())?
}

fn is_name(name: &str) -> bool {
    let is_char = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'%' | b'.');
    let has_dots_between = !name.starts_with('.') && !name.ends_with('.') && !name.contains("..");
    !name.is_empty() && has_dots_between && name.bytes().all(is_char) && has_whole_escapes(name)
}
