//! The signals of a server whose events are copied: a copy of events does not hold them.

use std::time::Duration;

use serde::Deserialize;
use ureq::{Agent, http::StatusCode};

use super::{client, target::Target};

/// How long a server that has given all its events may take for the list.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most names that the warning repeats.
const MAX_SHOWN: usize = 5;

/// Where they are listed.
pub(crate) struct SignalList {
    agent: Agent,
    url: String,
}

#[derive(Deserialize)]
struct List {
    signals: Vec<Entry>,
    more: bool,
}

#[derive(Deserialize)]
struct Entry {
    name: String,
}

impl SignalList {
    pub(crate) fn beside(target: &Target) -> Option<Self> {
        Some(Self {
            agent: client::agent(target, |config| config.timeout_global(Some(TIMEOUT))),
            url: target.beside("/signals")?,
        })
    }

    /// A warning that names them, if there are any.
    pub(crate) fn left_out(self) -> Option<String> {
        match self.read() {
            Ok(list) => list.and_then(|list| warning(&list)),
            Err(why) => Some(format!(
                "warning: a copy of events leaves signals out, and whether there are any could not be asked: {why}"
            )),
        }
    }

    /// `None` where the server has no such list.
    fn read(&self) -> Result<Option<List>, String> {
        let request = self
            .agent
            .get(&self.url)
            .header("accept", "application/json");
        let mut response = request.call().map_err(|error| client::why(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            other => return Err(format!("the server responded {other}")),
        }
        let body = client::body(&mut response).map_err(|error| client::why(&error))?;
        serde_json::from_slice(&body).map_err(|error| error.to_string())
    }
}

fn warning(list: &List) -> Option<String> {
    if list.signals.is_empty() {
        return None;
    }
    let names: Vec<&str> = list.signals.iter().map(|entry| &entry.name[..]).collect();
    let shown = names[..names.len().min(MAX_SHOWN)].join(", ");
    let more = if list.more || names.len() > MAX_SHOWN {
        ", …"
    } else {
        ""
    };
    Some(format!(
        "warning: signals are not among the events, so this copy leaves out {shown}{more}; copy each by \
         GET and PUT of /signals/<name>"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_names_a_few_signals_and_none_is_no_warning() {
        let list = |count: usize| List {
            signals: (0..count)
                .map(|n| Entry {
                    name: format!("s{n}"),
                })
                .collect(),
            more: false,
        };
        assert_eq!(warning(&list(0)), None);
        assert!(warning(&list(2)).unwrap().contains("leaves out s0, s1;"));
        let many = warning(&list(9)).unwrap();
        assert!(many.contains("s0, s1, s2, s3, s4, …;"), "{many}");
    }
}
