//! Protects a server with events of other topics, which the events of a run would push out of its history.

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    time::Duration,
};

use serde::Deserialize;
use ureq::{Agent, http::Uri};

use crate::settings::Bench;
use sse_broadcaster_cli::{Failure, Target, client, terminal};

const TIME_LIMIT: Duration = Duration::from_secs(5);
/// Most pages of topics that are read: ten of them hold as many topics as a run may have.
const MAX_PAGES: usize = 12;
/// Most events that are published to a server with events of other topics, unless `--max-events` is given.
const MAX_EVENTS_BESIDE_OTHERS: u64 = 10_000;

#[derive(Debug, Deserialize)]
struct Page {
    topics: Vec<Topic>,
    more: bool,
}

#[derive(Debug, Deserialize)]
struct Topic {
    name: String,
}

/// How many events a run may publish. Where it could push out events of other topics, the user has to agree.
pub(crate) fn allowed_events(bench: &Bench, target: &Target) -> Result<u64, Failure> {
    let Some(other) = find(bench, target) else {
        return Ok(bench.max_events.unwrap_or(u64::MAX));
    };
    let most = bench.max_events.unwrap_or(MAX_EVENTS_BESIDE_OTHERS);
    let reason = format!(
        "{target} holds events of other topics ({}), and up to {most} events of this run can push \
         them out of its history",
        terminal::one_line(&other)
    );
    if bench.yes || confirm(&reason)? {
        Ok(most)
    } else {
        Err(Failure::usage(format!(
            "{reason}: measure another server, or give --yes"
        )))
    }
}

/// A topic of other programs; `None` where there is none, or the server has no list of topics.
fn find(bench: &Bench, target: &Target) -> Option<String> {
    let list = list_url(target)?;
    let agent = client::agent(target, |config| {
        config.max_redirects(0).timeout_global(Some(TIME_LIMIT))
    });
    let mut after = String::new();
    for _ in 0..MAX_PAGES {
        let page = read(&agent, &list, &after)?;
        let mut names = page.topics.iter().map(|topic| &topic.name);
        if let Some(other) = names.find(|name| !is_own(bench, name)) {
            return Some(other.clone());
        }
        after.clone_from(&page.topics.last().filter(|_| page.more)?.name);
    }
    None
}

fn read(agent: &Agent, list: &str, after: &str) -> Option<Page> {
    let mut response = agent.get(list).query("after", after).call().ok()?;
    if response.status() != 200 {
        return None;
    }
    serde_json::from_slice(&client::body(&mut response).ok()?).ok()
}

/// Whether it is a topic of this run, or of an earlier one.
fn is_own(bench: &Bench, name: &str) -> bool {
    let number = name.strip_prefix(&bench.topic);
    number.is_some_and(|rest| {
        let number = rest.strip_prefix('-');
        rest.is_empty() || number.is_some_and(|number| number.parse::<u64>().is_ok())
    })
}

/// The list of topics, next to the route of events.
fn list_url(target: &Target) -> Option<String> {
    let uri: Uri = target.url().parse().ok()?;
    let path = uri.path().trim_end_matches('/').strip_suffix("/events")?;
    Some(format!(
        "{}://{}{path}/topics",
        uri.scheme_str()?,
        uri.authority()?
    ))
}

/// Asks the user on a terminal; elsewhere the answer is no.
fn confirm(why: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(false);
    }
    let ask = || -> io::Result<String> {
        write!(io::stderr(), "sse-broadcaster: {why}. Go on? [y/N] ")?;
        io::stderr().flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(answer)
    };
    let answer = ask().map_err(|error| Failure::new(format!("the terminal: {error}")))?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct CommandLine {
        #[command(flatten)]
        bench: Bench,
    }

    fn bench(args: &[&str]) -> Bench {
        CommandLine::parse_from(["bench"].iter().chain(args)).bench
    }

    #[test]
    fn topics_of_earlier_runs_are_not_those_of_other_programs() {
        let bench = bench(&["--topic", "b"]);
        for (name, own) in [
            ("b", true),
            ("b-1", true),
            ("b-10000", true),
            ("b-x", false),
            ("b1", false),
            ("bench", false),
            ("a", false),
        ] {
            assert_eq!(is_own(&bench, name), own, "{name}");
        }
    }

    #[test]
    fn the_list_of_topics_is_next_to_the_route_of_events() {
        for (url, list) in [
            ("http://h", Some("http://h/topics")),
            (
                "https://h:1/live/events/?a=b",
                Some("https://h:1/live/topics"),
            ),
            ("http://h/sse", None),
        ] {
            let target = Target::new(Some(url), std::iter::empty(), "/events").unwrap();
            assert_eq!(list_url(&target).as_deref(), list);
        }
    }
}
