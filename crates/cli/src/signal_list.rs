//! The signals of a server, which a copy of its events does not hold.

use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::value::RawValue;
use ureq::{
    Agent,
    http::{StatusCode, header::AUTHORIZATION},
};

use super::{Failure, client, print, signal_line::signal_line, target::Target, token::TokenArgs};

/// How long one request may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Most names in the warning.
const MAX_SHOWN: usize = 5;

pub(crate) struct SignalList {
    agent: Agent,
    url: String,
    token: TokenArgs,
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
    pub(crate) fn beside(target: &Target, token: &TokenArgs) -> Option<Self> {
        Some(Self {
            agent: client::agent(target, |config| config.timeout_global(Some(TIMEOUT))),
            url: target.beside("/signals")?,
            token: token.clone(),
        })
    }

    /// A warning with the names of the signals, where there are any.
    pub(crate) fn left_out(&self) -> Option<String> {
        match self.read("") {
            Ok(list) => list.and_then(|list| warning(&list)),
            Err(why) => Some(format!(
                "warning: a copy of events leaves signals out, and the list of signals could not be read: {why}"
            )),
        }
    }

    /// Prints each signal with its document, as a line for `publish --json`.
    pub(crate) fn print_all(&self) -> Result<(), Failure> {
        let failed = |why: String| {
            Failure::new(format!(
                "the events were printed, but not all signals: {}: {why}",
                self.url
            ))
        };
        let mut after = String::new();
        loop {
            let list = self.read(&after).map_err(failed)?;
            let mut list = list.ok_or_else(|| failed("the server has no signals".to_owned()))?;
            for entry in &list.signals {
                // A signal that was removed meanwhile has no document.
                if let Some(document) = self.document(&entry.name).map_err(failed)? {
                    let line = signal_line(&entry.name, &document);
                    print(&[line.map_err(|error| failed(error.to_string()))?])?;
                }
            }
            match list.signals.pop() {
                Some(Entry { name }) if list.more => after = name,
                _ => return Ok(()),
            }
        }
    }

    fn document(&self, name: &str) -> Result<Option<Box<RawValue>>, String> {
        self.get(&signal_url(&self.url, name), &[])
    }

    /// A page of the list; `None` where the server has no signals.
    fn read(&self, after: &str) -> Result<Option<List>, String> {
        self.get(&self.url, &[("after", after)])
    }

    fn get<T: serde::de::DeserializeOwned>(
        &self,
        url: &str,
        query: &[(&str, &str)],
    ) -> Result<Option<T>, String> {
        let request = self.agent.get(url).header("accept", "application/json");
        let mut request = request.query_pairs(query.iter().copied());
        let authorization = self.token.authorization();
        if let Some(value) = authorization.map_err(|failure| failure.line)? {
            request = request.header(AUTHORIZATION, value);
        }
        let mut response = request.call().map_err(|error| client::why(&error))?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            other => return Err(format!("the server responded {other}")),
        }
        let body = client::body(&mut response).map_err(|error| client::why(&error))?;
        let value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
        Ok(Some(value))
    }
}

/// The URL of one signal, under that of all.
pub(crate) fn signal_url(signals: &str, name: &str) -> String {
    format!("{signals}/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
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
        "warning: signals are not among the events, so this copy leaves out {shown}{more}; \
         --signals adds them"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_names_at_most_five_signals() {
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
