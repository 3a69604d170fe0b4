//! Names that a log in Redis holds.

use std::collections::BTreeSet;

use ::redis::{Cmd, Value};

use super::{
    entry::{self, Unexpected},
    read::ask,
    script,
    shared::Shared,
};
use sse_broadcaster::{
    event::EventId,
    history::{NameKind, NameRange, Names, Unavailable},
};

/// Keys that Redis looks at in one step, between which it serves others.
const SCAN_STEP: usize = 1_000;
/// Most steps: a log is alone in its database, or nearly.
const MAX_SCAN_STEPS: usize = 10_000;

pub(super) async fn names(
    shared: &Shared,
    kind: NameKind,
    range: NameRange<'_>,
) -> Result<Names, Unavailable> {
    let mut first = First::new(kind, range);
    match kind {
        NameKind::Topics => scan_topics(shared, &mut first).await?,
        NameKind::RetainedKeys => {
            let mut call = ::redis::cmd("HKEYS");
            call.arg(&shared.keys.retained);
            let keys = texts(ask(shared, &call).await?);
            let keys = keys.map_err(|error| shared.unavailable_by(error))?;
            for key in keys {
                first.take(key);
            }
        }
        _ => return Ok(Names::default()),
    }
    let more = first.more;
    let names: Vec<String> = first.names.into_iter().collect();
    let ids = ids(shared, kind, &names).await?;
    Ok(Names {
        // A name without an id has gone meanwhile.
        found: std::iter::zip(names, ids)
            .filter_map(|(name, id)| Some((name, id?)))
            .collect(),
        more,
    })
}

/// The first names of a range, of those that come in any order and perhaps twice.
struct First<'a> {
    kind: NameKind,
    range: NameRange<'a>,
    names: BTreeSet<String>,
    more: bool,
}

impl<'a> First<'a> {
    fn new(kind: NameKind, range: NameRange<'a>) -> Self {
        Self {
            kind,
            range,
            names: BTreeSet::new(),
            more: false,
        }
    }

    fn take(&mut self, name: String) {
        if self.range.holds(self.kind, &name) && self.names.insert(name) {
            while self.names.len() > self.range.limit {
                self.names.pop_last();
                self.more = true;
            }
        }
    }
}

async fn scan_topics(shared: &Shared, first: &mut First<'_>) -> Result<(), Unavailable> {
    let beginning = &shared.keys.topic;
    let pattern = format!("{}{}*", escape(beginning), escape(first.range.prefix));
    let mut cursor = "0".to_owned();
    for _ in 0..MAX_SCAN_STEPS {
        let mut call = ::redis::cmd("SCAN");
        call.arg(&cursor).arg("MATCH").arg(&pattern);
        call.arg("COUNT").arg(SCAN_STEP);
        let found = scanned(ask(shared, &call).await?);
        let (next, keys) = found.map_err(|error| shared.unavailable_by(error))?;
        let topics = keys.iter().filter_map(|key| key.strip_prefix(beginning));
        topics.for_each(|topic| first.take(topic.to_owned()));
        if next == "0" {
            return Ok(());
        }
        cursor = next;
    }
    let most = SCAN_STEP * MAX_SCAN_STEPS;
    let why = format!("it holds more than {most} keys, too many to list topics");
    Err(shared.unavailable_for(why))
}

/// For a pattern that stands for this text alone.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '^' | '\\') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

async fn ids(
    shared: &Shared,
    kind: NameKind,
    names: &[String],
) -> Result<Vec<Option<EventId>>, Unavailable> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let mut call: Cmd = script::NAMES.call(&[&shared.keys.retained]);
    call.arg(match kind {
        NameKind::Topics => shared.keys.topic.as_str(),
        _ => "",
    });
    call.arg(names);
    let ids = entry::list(ask(shared, &call).await?);
    let id = |value| entry::optional(value).map(entry::id).transpose();
    ids.and_then(|ids| ids.into_iter().map(id).collect())
        .map_err(|error| shared.unavailable_by(error))
}

fn scanned(reply: Value) -> Result<(String, Vec<String>), Unexpected> {
    let [cursor, keys] = entry::parts(reply)?;
    Ok((entry::text(cursor)?, texts(keys)?))
}

fn texts(reply: Value) -> Result<Vec<String>, Unexpected> {
    entry::list(reply)?.into_iter().map(entry::text).collect()
}
