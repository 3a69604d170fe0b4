//! Replay that is older than the window, and retained values, read from PostgreSQL.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use tokio_postgres::{Row, Statement, types::ToSql};

use super::{
    error::{PgError, within},
    newest::find_last,
    rows::{Entry, entries, get, get_id, get_optional_id, id, signed},
    shared::Shared,
    statements::Statements,
};
use sse_broadcaster::{
    event::{EventId, IdempotencyKey, SelectedTopics, Selector},
    history::{Chunk, Found, From, Limit, RetainedAt, Unavailable},
    internal::{unix_ms, whole_ms},
};

/// Most that one call may ask for, while which other reads wait.
const MOST: Limit = Limit::new(65_536, 16 << 20);
/// How long a read waits for the tail to hear of an epoch that the log has already.
const EPOCH_WITHIN: Duration = Duration::from_secs(2);
/// How often it may have to.
const MAX_EPOCHS: usize = 3;

/// Where a read begins, as the function `read` takes it.
pub(super) enum Begin {
    After(EventId),
    /// A position or an idempotency key; `None` for what can be neither.
    Position(EventId),
    Key(Option<String>),
    Since(u64),
    /// By the clock of PostgreSQL.
    Ago(u64),
    /// Right before this event.
    Before(EventId),
    Earliest,
}

impl Begin {
    fn last_event_id(text: &str) -> Self {
        // Ids beyond what PostgreSQL can hold were never given.
        let known = |id: &EventId| {
            let most = i64::MAX.unsigned_abs();
            id.ms() < most && id.seq() < most
        };
        match text.parse::<EventId>() {
            Ok(id) if known(&id) => Self::Position(id),
            Ok(_) => Self::Key(None),
            Err(_) => {
                let key = IdempotencyKey::new(text).ok();
                Self::Key(key.map(|key| key.as_str().to_owned()))
            }
        }
    }

    /// Its kind, and its value as a position, as milliseconds or as a text.
    fn parts(&self) -> (&'static str, Option<EventId>, Option<&str>) {
        let ms = |ms: u64| Some(EventId::new(ms, 0));
        match self {
            Self::After(id) => ("after", Some(*id), None),
            Self::Position(id) => ("last_event_id", Some(*id), None),
            Self::Key(key) => ("last_event_id", None, key.as_deref()),
            Self::Since(since) => ("since", ms(*since), None),
            Self::Ago(ago) => ("ago", ms(*ago), None),
            Self::Before(id) => ("before", Some(*id), None),
            Self::Earliest => ("earliest", None, None),
        }
    }
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
            From::LastEventId(text) => Some(Begin::last_event_id(text)),
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

/// The rows that this statement returns. Asked a second time where the connection was lost: a read changes nothing.
pub(super) async fn ask(
    shared: &Shared,
    statement: impl Fn(&Statements) -> &Statement,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Unavailable> {
    let mut is_again = false;
    loop {
        let connection = shared.connection(&shared.reads).await?;
        let asked = connection
            .client
            .query(statement(&connection.statements), parameters);
        let error = match within(shared.address.timeout, asked).await {
            Ok(rows) => return Ok(rows),
            Err(error) => error,
        };
        let is_lost = error.is_lost();
        if is_lost {
            shared.reads.drop_broken(&connection);
        }
        if !is_lost || std::mem::replace(&mut is_again, true) {
            return Err(shared.unavailable_by(error));
        }
    }
}

/// The one row of a statement that returns one.
pub(super) async fn ask_one(
    shared: &Shared,
    statement: impl Fn(&Statements) -> &Statement,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Row, Unavailable> {
    let rows = ask(shared, statement, parameters).await?;
    let row = rows.into_iter().next();
    row.ok_or_else(|| shared.unavailable_for("a function has returned nothing"))
}

/// `None` for all topics.
pub(super) fn topics(selector: &Selector) -> Option<Vec<&str>> {
    match selector.selected() {
        SelectedTopics::Topics(topics) => {
            let topics = topics.iter().map(sse_broadcaster::Topic::as_str);
            Some(topics.collect())
        }
        _ => None,
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
    let (kind, at, text) = begin.parts();
    let (ms, seq) = (at.map(|id| signed(id.ms())), at.map(|id| signed(id.seq())));
    let most_events = limit.events.clamp(1, MOST.events);
    let most_bytes = limit.bytes.clamp(1, MOST.bytes);
    let row = ask_one(
        shared,
        |statements| &statements.read,
        &[
            &signed(epoch),
            &kind,
            &ms,
            &seq,
            &text,
            &signed(head.ms()),
            &signed(head.seq()),
            &topics(selector),
            &i32::try_from(most_events).unwrap_or(i32::MAX),
            &signed(most_bytes as u64),
        ],
    )
    .await?;
    let page = Page::decode(&row).map_err(|error| shared.unavailable_by(error))?;
    Ok(page.map(|page| page.chunk(epoch, selector, limit)))
}

struct Page {
    after: EventId,
    gap: bool,
    oldest: Option<EventId>,
    read_to: EventId,
    entries: Vec<Entry>,
}

impl Page {
    fn decode(row: &Row) -> Result<Option<Self>, PgError> {
        if !get::<bool>(row, 0)? {
            return Ok(None);
        }
        Ok(Some(Self {
            after: get_id(row, 1)?,
            gap: get(row, 3)?,
            oldest: get_optional_id(row, 4)?,
            read_to: get_id(row, 6)?,
            entries: entries(row, [8, 9, 10, 11])?,
        }))
    }

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
            let fetched = entry.fetched();
            let admitted = fetched.filter(|fetched| selector.admits_fields(&fetched.fields()));
            match admitted {
                Some(fetched) if fetched.fields().is_erased() => chunk.erased = Some(id),
                Some(fetched) => {
                    bytes += fetched.fields().cost();
                    let is_full = chunk.events.len() >= limit.events || bytes > limit.bytes;
                    if is_full && !chunk.events.is_empty() {
                        chunk.read_to = looked_to;
                        break;
                    }
                    chunk.events.push(Found::Fetched(fetched));
                }
                None => {}
            }
            looked_to = id;
        }
        chunk
    }
}

pub(super) async fn retained(shared: &Shared, keys: &[&str]) -> Result<RetainedAt, Unavailable> {
    let asked: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
    for _ in 0..MAX_EPOCHS {
        let polled = shared.polled.notified();
        let rows = ask(shared, |statements| &statements.retained_values, &[&asked]).await?;
        let found = values_of(shared.window.head().epoch, keys.len(), &rows);
        if let Some(found) = found.map_err(|error| shared.unavailable_by(error))? {
            return Ok(found);
        }
        let _ = timeout(EPOCH_WITHIN, polled).await;
    }
    Err(shared.unavailable())
}

/// `None`: the log is of another epoch than the window.
fn values_of(epoch: u64, keys: usize, rows: &[Row]) -> Result<Option<RetainedAt>, PgError> {
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    if get::<i64>(first, 0)?.unsigned_abs() != epoch {
        return Ok(None);
    }
    let value = |row: &Row| {
        let value: Option<&[u8]> = get(row, 3)?;
        let Some(value) = value else { return Ok(None) };
        let id = id(get(row, 4)?, get(row, 5)?);
        Ok(Some((Bytes::copy_from_slice(value), id)))
    };
    Ok(Some(RetainedAt {
        head: get_id(first, 1)?,
        values: rows
            .iter()
            .take(keys)
            .map(value)
            .collect::<Result<_, PgError>>()?,
    }))
}
