//! The servers of a run: their addresses, their requests, and their processes.

use std::sync::Arc;

use ureq::http::HeaderValue;

use crate::{http::endpoint::Endpoint, settings::Bench, usage::Processes};
use sse_broadcaster_cli::{Defaults, Failure, Target, bearer, publish_key};

/// Where events are subscribed to, and where they are published.
pub(crate) struct Servers {
    pub(crate) subscribe: Endpoint,
    pub(crate) publish: Endpoint,
    pub(crate) publish_target: Target,
    /// The URLs of both, without secrets.
    pub(crate) shown: [String; 2],
    /// The `Authorization` header line of a publish; may be empty.
    authorization: String,
    /// The processes of the server: those of `--pid`, else those that listen at its address.
    pub(crate) processes: Option<Processes>,
}

impl Servers {
    pub(crate) fn find(bench: &Bench, defaults: &Defaults) -> Result<Self, Failure> {
        // Other servers are measured too: a path of theirs is used as it is.
        let own_route = format!("{}/events", defaults.base_path);
        let target = |url: Option<&String>| {
            let route = if url.is_some() { "/events" } else { &own_route };
            Target::new(url.map(String::as_str), defaults.listen.iter(), route)
        };
        let subscribe = target(bench.url.as_ref())?;
        let publish = match &bench.publish_url {
            None => target(bench.url.as_ref()),
            url => target(url.as_ref()).map_err(|failure| Failure {
                line: failure.line.replacen("--url", "--publish-url", 1),
                ..failure
            }),
        }?;
        let named = named(&bench.pid)?;
        let key = publish_key(&bench.key, bench.key_file.as_ref(), defaults)?;
        let bearer = key.as_ref().map(bearer).transpose()?;
        let subscribe_endpoint = Endpoint::reach(&subscribe)?;
        let publish_endpoint = Endpoint::reach(&publish)?;
        let authorization = match bearer.as_ref().map(HeaderValue::to_str) {
            Some(Ok(bearer)) => format!("Authorization: {bearer}\r\n"),
            _ => publish_endpoint.authorization(),
        };
        let listening = || {
            subscribe
                .is_local()
                .then(|| Processes::listening_at(subscribe_endpoint.address))?
        };
        let processes = named.or_else(listening);
        Ok(Self {
            subscribe: subscribe_endpoint,
            publish: publish_endpoint,
            shown: [subscribe.to_string(), publish.to_string()],
            publish_target: publish,
            authorization,
            processes,
        })
    }

    /// The request of a subscriber, for each topic.
    pub(crate) fn subscribe_requests(&self, topics: &[String]) -> Arc<[Arc<[u8]>]> {
        let authorization = self.subscribe.authorization();
        let request = |topic: &String| {
            let head = self.subscribe.request("GET", topic);
            let request = format!(
                "{head}Accept: text/event-stream\r\nCache-Control: no-store\r\n{authorization}\r\n"
            );
            Arc::from(request.into_bytes())
        };
        topics.iter().map(request).collect()
    }

    /// The head of a publish request, for each topic.
    pub(crate) fn publish_heads(&self, topics: &[String], body_bytes: u64) -> Vec<String> {
        let head = |topic: &String| {
            format!(
                "{}Content-Type: text/plain\r\nContent-Length: {body_bytes}\r\n{}\r\n",
                self.publish.request("POST", topic),
                self.authorization
            )
        };
        topics.iter().map(head).collect()
    }
}

/// The processes of `--pid`; `None` without it.
fn named(pids: &[u32]) -> Result<Option<Processes>, Failure> {
    let missing = pids
        .iter()
        .find(|pid| Processes(vec![**pid]).usage().is_none());
    match missing {
        Some(pid) => Err(Failure::usage(format!(
            "--pid {pid}: there is no such process, or its /proc cannot be read"
        ))),
        None => Ok((!pids.is_empty()).then(|| Processes(pids.to_vec()))),
    }
}
