//! The newest events, and where the last so many begin.

use tokio_postgres::Row;

use super::{
    connection::Connection,
    error::PgError,
    read::{Begin, ask_one, topics},
    rows::{Entry, entries, get, signed},
    shared::Shared,
};
use sse_broadcaster::{
    event::{EventId, Fields, Selector},
    history::Unavailable,
};

/// Most events that are looked at in one step back from the head, and their bytes.
const STEP_BACK: (usize, usize) = (512, 1 << 20);

/// An event with its tag and its number.
pub(super) type Numbered = (Entry, i64, i64);

/// Some events before a position, newest first.
pub(super) struct Newest {
    /// The log has no others.
    pub(super) is_all: bool,
    pub(super) entries: Vec<Numbered>,
}

impl Newest {
    /// `None`: the log is of another epoch.
    pub(super) async fn ask(
        connection: &Connection,
        epoch: u64,
        before: EventId,
        topics: Option<&[&str]>,
        most: (usize, usize),
    ) -> Result<Option<Self>, PgError> {
        let (events, bytes) = most;
        let row = connection
            .client
            .query_one(
                &connection.statements.newest,
                &[
                    &signed(epoch),
                    &signed(before.ms()),
                    &signed(before.seq()),
                    &topics,
                    &i32::try_from(events).unwrap_or(i32::MAX),
                    &signed(bytes as u64),
                ],
            )
            .await?;
        Self::decode(&row)
    }

    fn decode(row: &Row) -> Result<Option<Self>, PgError> {
        if !get::<bool>(row, 0)? {
            return Ok(None);
        }
        let (tags, numbers): (Vec<i64>, Vec<i64>) = (get(row, 5)?, get(row, 6)?);
        let entries = entries(row, [2, 3, 4, 7])?
            .into_iter()
            .zip(tags)
            .zip(numbers);
        Ok(Some(Self {
            is_all: get(row, 1)?,
            entries: entries
                .map(|((entry, tag), number)| (entry, tag, number))
                .collect(),
        }))
    }
}

/// Where the last so many begin that the selector admits; `None`: the log is of another epoch.
pub(super) async fn find_last(
    shared: &Shared,
    (epoch, head): (u64, EventId),
    selector: &Selector,
    count: usize,
) -> Result<Option<Begin>, Unavailable> {
    let topics = topics(selector);
    let mut before = EventId::new(head.ms(), head.seq() + 1);
    let mut left = count;
    let mut step = STEP_BACK.0.min(left.max(1));
    loop {
        let row = ask_one(
            shared,
            |statements| &statements.newest,
            &[
                &signed(epoch),
                &signed(before.ms()),
                &signed(before.seq()),
                &topics,
                &i32::try_from(step).unwrap_or(i32::MAX),
                &signed(STEP_BACK.1 as u64),
            ],
        )
        .await?;
        let page = Newest::decode(&row).map_err(|error| shared.unavailable_by(error))?;
        let Some(page) = page else { return Ok(None) };
        for (entry, ..) in page.entries {
            before = entry.id;
            let counts =
                |fields: &Fields<'_>| !fields.is_erased() && selector.admits_fields(fields);
            let fetched = entry.fetched();
            if fetched.is_some_and(|fetched| counts(&fetched.fields())) {
                left = left.saturating_sub(1);
                if left == 0 {
                    return Ok(Some(Begin::Before(before)));
                }
            }
        }
        if page.is_all {
            return Ok(Some(Begin::Earliest));
        }
        // Many of these did not count.
        step = STEP_BACK.0;
    }
}
