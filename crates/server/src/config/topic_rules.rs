//! The settings of what is kept, by topic.

use std::{sync::Arc, time::Duration};

use clap::Args;

use super::{
    BadSetting, Given, some_time,
    topic_patterns::{split_outside_braces, topic_pattern},
};
use sse_broadcaster::{
    event::TopicMatcher,
    history::{TopicRule, TopicRules},
};
use sse_broadcaster_access::Pattern;
use sse_broadcaster_cli::size;

const FLAG: &str = "topic-rule";
/// What a rule may have behind its pattern.
const PARTS: &str = "events:N, bytes:SIZE, age:DURATION, none and latest";

#[derive(Debug, Clone, Args)]
#[allow(clippy::doc_markdown, reason = "--help prints these as they are")]
pub struct TopicRulesConfig {
    /// What is kept of which topics, for example prices/{symbol}=latest: a pattern as of --presence, = and a list of
    /// events:N, bytes:SIZE, age:DURATION, none and latest; the first that matches a topic applies; repeatable
    #[arg(long, env = "SSE_BROADCASTER_TOPIC_RULE", value_name = "PATTERN=WHAT")]
    pub topic_rule: Vec<String>,
}

impl TopicRulesConfig {
    /// The rules, in their order.
    ///
    /// # Errors
    /// For what is no rule, and for too many.
    pub(crate) fn rules(&self, given: &Given) -> Result<TopicRules, BadSetting> {
        let by_variable = given.by_variable(FLAG);
        let rules = self.topic_rule.iter().flat_map(|text| {
            if by_variable {
                split_variable(text)
            } else {
                vec![text.clone()]
            }
        });
        let bad = |why: String| BadSetting(format!("--{FLAG}{why}"));
        let rule = |text: String| rule(&text).map_err(|why| bad(format!(" {text}: {why}")));
        let rules = rules.map(rule).collect::<Result<Vec<_>, _>>()?;
        TopicRules::new(rules).map_err(|why| bad(format!(": {why}")))
    }
}

/// A variable separates rules by commas as patterns are; what is no rule of its own is another part of the rule before.
fn split_variable(text: &str) -> Vec<String> {
    let mut rules: Vec<String> = Vec::new();
    for piece in split_outside_braces(text) {
        match rules.last_mut() {
            Some(rule) if What::read(piece).is_ok() => {
                rule.push(',');
                rule.push_str(piece);
            }
            _ => rules.push(piece.to_owned()),
        }
    }
    rules
}

fn rule(text: &str) -> Result<TopicRule, String> {
    let (pattern, what) = split(text)?;
    let pattern = topic_pattern(pattern)?;
    if pattern.text().starts_with('$') {
        return Err("no rule applies to topics that begin with $; name others".to_owned());
    }
    Ok(what.rule(TopicRule::new(Arc::new(RulePattern(pattern)))))
}

/// At the last `=` with a list behind it: a pattern may have others.
fn split(text: &str) -> Result<(&str, What), String> {
    let mut refused = None;
    for (at, _) in text.rmatch_indices('=') {
        match What::read(&text[at + 1..]) {
            Ok(what) => return Ok((&text[..at], what)),
            Err(why) => refused = refused.or(Some(why)),
        }
    }
    Err(refused
        .unwrap_or_else(|| format!("it has no =; write PATTERN=WHAT, with a list of {PARTS}")))
}

/// What a rule has behind its pattern.
#[derive(Debug, Default, PartialEq)]
struct What {
    events: Option<usize>,
    bytes: Option<usize>,
    age: Option<Duration>,
    none: bool,
    latest: bool,
}

impl What {
    fn read(text: &str) -> Result<Self, String> {
        let mut what = Self::default();
        for part in text.split(',').map(str::trim) {
            what.read_part(part)
                .map_err(|why| format!("{part:?} {why}"))?;
        }
        let has_limit = what.events.is_some() || what.bytes.is_some() || what.age.is_some();
        if what.none && has_limit {
            return Err(
                "\"none\" keeps nothing for replay; leave out events, bytes and age".to_owned(),
            );
        }
        Ok(what)
    }

    fn read_part(&mut self, part: &str) -> Result<(), String> {
        let is_repeated = match part.split_once(':') {
            None if part == "none" => std::mem::replace(&mut self.none, true),
            None if part == "latest" => std::mem::replace(&mut self.latest, true),
            Some(("events", count)) => {
                let count = count.trim().parse().ok().filter(|count| *count > 0);
                let count: usize =
                    count.ok_or("has no number of events, 1 at least; write none for 0")?;
                self.events.replace(count).is_some()
            }
            Some(("bytes", bytes)) => {
                let bytes = size::parse(bytes).map_err(|why| format!("has no size: {why}"))?;
                self.bytes.replace(bytes).is_some()
            }
            Some(("age", age)) => {
                let age = some_time(age.trim()).map_err(|why| format!("has no time: {why}"))?;
                self.age.replace(age).is_some()
            }
            _ => return Err(format!("is none of {PARTS}")),
        };
        if is_repeated {
            return Err("stands there twice; write it once".to_owned());
        }
        Ok(())
    }

    fn rule(self, rule: TopicRule) -> TopicRule {
        let events = if self.none { Some(0) } else { self.events };
        let mut rule = rule;
        rule.events = events;
        rule.bytes = self.bytes;
        rule.age = self.age;
        rule.latest = self.latest;
        rule
    }
}

#[derive(Debug)]
struct RulePattern(Pattern);

impl TopicMatcher for RulePattern {
    fn matches(&self, topic: &str) -> bool {
        self.0.matches(topic)
    }

    fn description(&self) -> String {
        self.0.text().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_split_at_the_last_equals_sign_with_a_list_behind_it() {
        for (text, pattern, what) in [
            (
                "prices/{symbol}=events:1",
                "prices/{symbol}",
                What {
                    events: Some(1),
                    ..What::default()
                },
            ),
            (
                "jobs/{id}=age:1h, events:100",
                "jobs/{id}",
                What {
                    events: Some(100),
                    age: Some(Duration::from_secs(3600)),
                    ..What::default()
                },
            ),
            (
                "*=none,latest",
                "*",
                What {
                    none: true,
                    latest: true,
                    ..What::default()
                },
            ),
            (
                "https://example.com/{?a}=b=latest",
                "https://example.com/{?a}=b",
                What {
                    latest: true,
                    ..What::default()
                },
            ),
            (
                "{\"urlpattern\":\"https://example.com/?a=:b\"}=bytes:64KiB",
                "{\"urlpattern\":\"https://example.com/?a=:b\"}",
                What {
                    bytes: Some(65_536),
                    ..What::default()
                },
            ),
            (
                "a=latest=b=latest",
                "a=latest=b",
                What {
                    latest: true,
                    ..What::default()
                },
            ),
        ] {
            assert_eq!(split(text), Ok((pattern, what)), "{text}");
        }
    }

    #[test]
    fn what_is_no_rule_is_refused_with_what_would_be_right() {
        for (text, reason) in [
            ("prices", "it has no =; write PATTERN=WHAT"),
            ("a=", "\"\" is none of events:N"),
            ("a=latest,", "\"\" is none of events:N"),
            (
                "a=b=newest",
                "\"newest\" is none of events:N, bytes:SIZE, age:DURATION, none and latest",
            ),
            (
                "a=events:0",
                "\"events:0\" has no number of events, 1 at least; write none for 0",
            ),
            ("a=events:x", "\"events:x\" has no number of events"),
            ("a=bytes:x", "\"bytes:x\" has no size: "),
            ("a=age:5", "\"age:5\" has no time: a duration has a unit"),
            ("a=latest,latest", "\"latest\" stands there twice"),
            ("a=none,events:1", "\"none\" keeps nothing for replay"),
            ("=latest", ""),
            (
                "$signal/{id}=latest",
                "no rule applies to topics that begin with $",
            ),
        ] {
            let why = rule(text).expect_err(text);
            assert!(why.contains(reason), "{text}: {why}");
        }
    }

    #[test]
    fn a_variable_has_several_rules_each_with_several_parts() {
        let text =
            "prices/{a,b}=age:10m,latest, {\"urlpattern\":\"/x,y\"}=latest,jobs=events:1,none";
        assert_eq!(
            split_variable(text),
            [
                "prices/{a,b}=age:10m,latest",
                "{\"urlpattern\":\"/x,y\"}=latest",
                "jobs=events:1,none"
            ]
        );
    }

    #[test]
    fn a_rule_applies_to_the_topics_of_its_pattern() {
        let parsed = rule("prices/{symbol}=latest").unwrap();
        assert!(parsed.latest && parsed.matches("prices/a"));
        assert!(!parsed.matches("prices/a/b"));
        let everything = rule("*=latest").unwrap();
        assert!(everything.matches("a") && !everything.matches("$signal/a"));
    }
}
