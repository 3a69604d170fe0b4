//! A template matches whatever it expands to: expanded here as section 3.2.1 of RFC 6570 says, with random
//! values.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{Pattern, PatternKind};

#[derive(Debug, Clone)]
enum Value {
    Undefined,
    Text(String),
    List(Vec<String>),
    Array(Vec<(String, String)>),
}

#[derive(Debug, Clone)]
struct Expression {
    operator: &'static str,
    variables: Vec<(String, Option<usize>, bool, Value)>,
}

fn encode(text: &str, reserved: bool, out: &mut String) {
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if plain || reserved && b":/?#[]@!$&'()*+,;=".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

impl Expression {
    fn text(&self) -> String {
        let variables = self.variables.iter().map(|(name, prefix, explode, _)| {
            let modifier = match prefix {
                Some(max) => format!(":{max}"),
                None if *explode => "*".to_owned(),
                None => String::new(),
            };
            format!("{name}{modifier}")
        });
        format!(
            "{{{}{}}}",
            self.operator,
            variables.collect::<Vec<_>>().join(",")
        )
    }

    fn expand(&self) -> String {
        let (first, separator, named, if_empty, reserved) = match self.operator {
            "" => ("", ",", false, "", false),
            "+" => ("", ",", false, "", true),
            "#" => ("#", ",", false, "", true),
            "." => (".", ".", false, "", false),
            "/" => ("/", "/", false, "", false),
            ";" => (";", ";", true, "", false),
            "?" => ("?", "&", true, "=", false),
            _ => ("&", "&", true, "=", false),
        };
        let encoded = |text: &str| {
            let mut out = String::new();
            encode(text, reserved, &mut out);
            out
        };
        let with_name = |name: &str, value: String| match (named, value.is_empty()) {
            (false, _) => value,
            (true, true) => format!("{name}{if_empty}"),
            (true, false) => format!("{name}={value}"),
        };
        let mut parts = Vec::new();
        for (name, prefix, explode, value) in &self.variables {
            match value {
                Value::Undefined => {}
                Value::Text(text) => {
                    let text: String = text.chars().take(prefix.unwrap_or(usize::MAX)).collect();
                    parts.push(with_name(name, encoded(&text)));
                }
                Value::List(list) if list.is_empty() => {}
                Value::Array(array) if array.is_empty() => {}
                Value::List(list) if *explode => {
                    parts.extend(list.iter().map(|text| with_name(name, encoded(text))));
                }
                Value::List(list) => {
                    let list: Vec<_> = list.iter().map(|text| encoded(text)).collect();
                    parts.push(with_name(name, list.join(",")));
                }
                Value::Array(array) if *explode => {
                    parts.extend(array.iter().map(|(key, text)| {
                        let (key, text) = (encoded(key), encoded(text));
                        if named {
                            with_name(&key, text)
                        } else {
                            format!("{key}={text}")
                        }
                    }));
                }
                Value::Array(array) => {
                    let pairs = array
                        .iter()
                        .map(|(key, text)| format!("{},{}", encoded(key), encoded(text)));
                    parts.push(with_name(name, pairs.collect::<Vec<_>>().join(",")));
                }
            }
        }
        if parts.is_empty() {
            return String::new();
        }
        format!("{first}{}", parts.join(separator))
    }
}

fn text() -> impl Strategy<Value = String> {
    "[a-z0-9 é€😀%/?&=,;:.!~-]{0,6}"
}

fn value(is_prefix: bool) -> BoxedStrategy<Value> {
    let plain = prop_oneof![Just(Value::Undefined), text().prop_map(Value::Text)];
    if is_prefix {
        return plain.boxed();
    }
    prop_oneof![
        plain,
        prop::collection::vec(text(), 0..4).prop_map(Value::List),
        prop::collection::vec(("[a-z%é.]{1,4}", text()), 0..3).prop_map(Value::Array),
    ]
    .boxed()
}

fn variable() -> impl Strategy<Value = (String, Option<usize>, bool, Value)> {
    let name = "[a-z_][a-z0-9_]{0,3}(\\.[a-z]{1,2})?";
    (
        name,
        prop::option::weighted(0.2, 1_usize..12),
        any::<bool>(),
    )
        .prop_flat_map(|(name, prefix, explode)| {
            let explode = explode && prefix.is_none();
            (
                Just(name),
                Just(prefix),
                Just(explode),
                value(prefix.is_some()),
            )
        })
}

fn expression() -> impl Strategy<Value = Expression> {
    let operator = prop::sample::select(vec!["", "+", "#", ".", "/", ";", "?", "&"]);
    (operator, prop::collection::vec(variable(), 1..4)).prop_map(|(operator, variables)| {
        Expression {
            operator,
            variables,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_template_matches_its_own_expansions(
        parts in prop::collection::vec(("[a-z/.:?-]{0,5}", expression()), 1..4),
        end in "[a-z/é]{0,3}",
    ) {
        let (mut template, mut expansion) = (String::new(), String::new());
        for (literal, expression) in &parts {
            template.push_str(literal);
            template.push_str(&expression.text());
            expansion.push_str(literal);
            expansion.push_str(&expression.expand());
        }
        template.push_str(&end);
        expansion.push_str(&end.replace('é', "%C3%A9"));
        let pattern = Pattern::selector(&template).unwrap();
        prop_assert_eq!(pattern.kind(), PatternKind::Template);
        prop_assert!(pattern.matches(&expansion), "{} {}", template, expansion);
    }

    #[test]
    fn no_text_panics_as_a_pattern_or_as_a_topic(text in "\\PC{0,40}|[{}a-z/:*?+#().\\\\]{0,20}", topic in "\\PC{0,40}") {
        if let Ok(pattern) = Pattern::selector(&text) {
            prop_assert!(pattern.matches(&text));
            let _ = pattern.matches(&topic);
        }
        if let Ok(pattern) = Pattern::url_pattern(&text, None) {
            let _ = pattern.matches(&topic);
        }
    }
}
