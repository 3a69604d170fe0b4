//! Replay that is older than the window, read from Redis.

use std::{sync::Arc, time::Duration};

use ::redis::{Cmd, Value};
use bytes::Bytes;
use tokio::time::timeout;

use super::{
    entry::{self, Entry, Unexpected},
    newest::find_last,
    refusal::is_lost,
    script,
    shared::Shared,
};
use sse_broadcaster::{
    event::{EventId, IdempotencyKey, SelectedTopics, Selector},
    history::{Chunk, Found, From, Limit, RetainedAt, Unavailable},
    internal::{unix_ms, whole_ms},
};

/// Most that one call may ask Redis for, which has others to serve.
const MOST: Limit = Limit::new(65_536, 16 << 20);

/// How long a read waits for the tail to hear of an epoch that Redis has already.
const EPOCH_WITHIN: Duration = Duration::from_secs(2);
/// How often it may have to.
const MAX_EPOCHS: usize = 3;

/// Where a read begins, as the script takes it.
pub(super) enum Begin {
    After(EventId),
    /// A position or an idempotency key, or the empty text for what can be neither.
    LastEventId(String),
    Since(u64),
    /// By the clock of Redis.
    Ago(u64),
    /// Right before this event.
    Before(EventId),
    Earliest,
}

pub(super) async fn read(
    shared: &Shared,
    from: From<'_>,
    selector: &Selector,
    limit: Limit,
) -> Result<Chunk, Unavailable> {
    for _ in 0..MAX_EPOCHS {
        if let Some(mut chunk) = shared.window.read_held(from, selector, limit) {
            chunk.oldest = shared.bounds().oldest;
            return Ok(chunk);
        }
        let polled = shared.polled.notified();
        let bounds = shared.window.bounds();
        let head = (bounds.epoch, bounds.head);
        let begin = match from {
            From::After(id) => Some(Begin::After(id)),
            From::LastEventId(text) => Some(Begin::LastEventId(last_event_id(text))),
            From::Since(time) => Some(Begin::Since(unix_ms(time))),
            From::Ago(age) => Some(Begin::Ago(whole_ms(age))),
            From::Earliest => Some(Begin::Earliest),
            From::Last(count) => find_last(shared, head, selector, count).await?,
        };
        if let Some(begin) = begin
            && let Some(chunk) = read_from(shared, head, &begin, selector, limit).await?
        {
            return Ok(chunk);
        }
        // The log is of another epoch than the window, until the tail has polled.
        let _ = timeout(EPOCH_WITHIN, polled).await;
    }
    Err(shared.unavailable())
}

fn last_event_id(text: &str) -> String {
    if let Ok(id) = text.parse::<EventId>() {
        return id.to_string();
    }
    IdempotencyKey::new(text).map_or(String::new(), |idempotency_key| {
        idempotency_key.as_str().to_owned()
    })
}

/// Asked a second time where the connection was lost: a read changes nothing.
pub(super) async fn ask(shared: &Shared, call: &Cmd) -> Result<Value, Unavailable> {
    let mut is_again = false;
    loop {
        let mut connection = shared.connection(&shared.reads).await?;
        let error = match script::run(call, &mut connection.multiplexed).await {
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        let is_lost = is_lost(&error);
        if is_lost {
            shared.reads.drop_broken(&connection);
        }
        if !is_lost || std::mem::replace(&mut is_again, true) {
            return Err(shared.unavailable_by(error));
        }
    }
}

pub(super) fn add_topics(call: &mut Cmd, selector: &Selector) {
    if let SelectedTopics::Topics(topics) = selector.selected() {
        for topic in topics {
            call.arg(topic.as_str());
        }
    }
}

/// `None`: the log is of another epoch.
async fn read_from(
    shared: &Shared,
    (epoch, head): (u64, EventId),
    begin: &Begin,
    selector: &Selector,
    limit: Limit,
) -> Result<Option<Chunk>, Unavailable> {
    let keys = &shared.keys;
    let (kind, value) = match begin {
        Begin::After(id) => ("after", id.to_string()),
        Begin::LastEventId(text) => ("last_event_id", text.clone()),
        Begin::Since(ms) => ("since", ms.to_string()),
        Begin::Ago(ms) => ("ago", ms.to_string()),
        Begin::Before(id) => ("before", id.to_string()),
        Begin::Earliest => ("earliest", String::new()),
    };
    let mut call = script::READ.call(&[
        &keys.log,
        &keys.meta,
        &keys.topics,
        &keys.erased,
        &keys.ids_by_key,
    ]);
    call.arg(epoch)
        .arg(limit.events.clamp(1, MOST.events))
        .arg(limit.bytes.clamp(1, MOST.bytes))
        .arg(&keys.topic)
        .arg(kind)
        .arg(value)
        .arg(head.to_string());
    add_topics(&mut call, selector);
    let reply = ask(shared, &call).await?;
    let found = decode(reply).map_err(|error| shared.unavailable_by(error))?;
    Ok(found.map(|found| found.chunk(epoch, selector, limit)))
}

struct Page {
    after: EventId,
    gap: bool,
    oldest: Option<EventId>,
    read_to: EventId,
    entries: Vec<Entry>,
}

fn decode(reply: Value) -> Result<Option<Page>, Unexpected> {
    let reply = entry::list(reply)?;
    if reply.len() == 1 {
        return Ok(None);
    }
    let [after, gap, oldest, read_to, entries, erased]: [Value; 6] =
        reply.try_into().map_err(|_| Unexpected)?;
    Ok(Some(Page {
        after: entry::id(after)?,
        gap: entry::text(gap)? == "1",
        oldest: entry::text(oldest)?.parse().ok(),
        read_to: entry::id(read_to)?,
        entries: entry::merged(entry::entries(entries)?, entry::erased_entries(erased)?),
    }))
}

impl Page {
    fn chunk(self, epoch: u64, selector: &Selector, limit: Limit) -> Chunk {
        let mut chunk = Chunk {
            epoch,
            after: self.after,
            gap: self.gap,
            erased: None,
            events: Vec::new(),
            read_to: self.read_to,
            oldest: self.oldest,
        };
        let (mut bytes, mut looked_to) = (0, self.after);
        for entry in self.entries {
            let id = entry.id;
            if let Some(stored) = entry
                .event()
                .filter(|stored| selector.admits(stored.event()))
            {
                bytes += stored.event().cost();
                let is_full = chunk.events.len() >= limit.events || bytes > limit.bytes;
                if stored.event().is_erased() {
                    chunk.erased = Some(id);
                } else if is_full && !chunk.events.is_empty() {
                    chunk.read_to = looked_to;
                    break;
                } else {
                    chunk.events.push(Found::Shared(Arc::new(stored)));
                }
            }
            looked_to = id;
        }
        chunk
    }
}

pub(super) async fn retained(shared: &Shared, keys: &[&str]) -> Result<RetainedAt, Unavailable> {
    for _ in 0..MAX_EPOCHS {
        let mut call =
            script::RETAINED.call(&[&shared.keys.log, &shared.keys.meta, &shared.keys.retained]);
        // The window's, as with every read: what appends know of changes only with the next append.
        call.arg(shared.window.head().epoch).arg(keys);
        let polled = shared.polled.notified();
        let reply = entry::list(ask(shared, &call).await?);
        let reply = reply.map_err(|error| shared.unavailable_by(error))?;
        if let Ok([head, values]) = <[Value; 2]>::try_from(reply) {
            let found = values_of(head, values);
            return found.map_err(|error| shared.unavailable_by(error));
        }
        let _ = timeout(EPOCH_WITHIN, polled).await;
    }
    Err(shared.unavailable())
}

fn values_of(head: Value, values: Value) -> Result<RetainedAt, Unexpected> {
    let value = |value: Value| {
        let Some(Value::BulkString(bytes)) = entry::optional(value) else {
            return Ok(None);
        };
        let at = bytes
            .iter()
            .position(|byte| *byte == b' ')
            .ok_or(Unexpected)?;
        let id = std::str::from_utf8(&bytes[..at])
            .ok()
            .and_then(|id| id.parse().ok());
        let id = id.ok_or(Unexpected)?;
        Ok(Some((Bytes::from(bytes).slice(at + 1..), id)))
    };
    Ok(RetainedAt {
        head: entry::id(head)?,
        values: entry::list(values)?
            .into_iter()
            .map(value)
            .collect::<Result<_, _>>()?,
    })
}
