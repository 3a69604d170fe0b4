//! Rows and arrays of PostgreSQL as what they stand for.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use sse_broadcaster::{
    event::{Event, EventId, Fetched, Fields, Stored},
    internal::whole_ms,
};
use tokio_postgres::{Row, types::FromSql};

use super::error::PgError;

/// As PostgreSQL has it, which knows no unsigned numbers. Ids that it gives are far below its bound.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn milliseconds(duration: Duration) -> i64 {
    signed(whole_ms(duration))
}

pub(super) fn id(ms: i64, seq: i64) -> EventId {
    EventId::new(ms.unsigned_abs(), seq.unsigned_abs())
}

/// What a row has in this column.
///
/// # Errors
/// Another type than this version of the functions returns.
pub(super) fn get<'a, T: FromSql<'a>>(row: &'a Row, column: usize) -> Result<T, PgError> {
    Ok(row.try_get(column)?)
}

/// The id in this column and the next one.
pub(super) fn get_id(row: &Row, column: usize) -> Result<EventId, PgError> {
    Ok(id(get(row, column)?, get(row, column + 1)?))
}

/// The same where both may be NULL.
pub(super) fn get_optional_id(row: &Row, column: usize) -> Result<Option<EventId>, PgError> {
    let (ms, seq): (Option<i64>, Option<i64>) = (get(row, column)?, get(row, column + 1)?);
    Ok(ms.zip(seq).map(|(ms, seq)| id(ms, seq)))
}

/// The text in this column, whose bytes may hold what a text of PostgreSQL cannot.
pub(super) fn get_name(row: &Row, column: usize) -> Result<Arc<str>, PgError> {
    let bytes: &[u8] = get(row, column)?;
    Ok(String::from_utf8_lossy(bytes).into())
}

/// The text in this column, or nothing for NULL.
pub(super) fn get_text(row: &Row, column: usize) -> Result<Option<Arc<str>>, PgError> {
    let text: Option<&str> = get(row, column)?;
    Ok(text.map(Arc::from))
}

/// An event of the log as it is stored.
pub(super) struct Entry {
    pub(super) id: EventId,
    time_ms: u64,
    packed: Bytes,
}

/// The entries whose ids, times and bytes are in these columns.
pub(super) fn entries(row: &Row, columns: [usize; 4]) -> Result<Vec<Entry>, PgError> {
    let [ms, seq, time_ms, packed] = columns;
    let ms: Vec<i64> = get(row, ms)?;
    let seq: Vec<i64> = get(row, seq)?;
    let times: Vec<i64> = get(row, time_ms)?;
    let packed: Vec<&[u8]> = get(row, packed)?;
    let parts = ms.into_iter().zip(seq).zip(times).zip(packed);
    let entries = parts.map(|(((ms, seq), time_ms), packed)| Entry {
        id: id(ms, seq),
        time_ms: time_ms.unsigned_abs(),
        packed: Bytes::copy_from_slice(packed),
    });
    Ok(entries.collect())
}

impl Entry {
    /// The event, unless somebody else wrote what is none.
    pub(super) fn stored(&self) -> Option<Arc<Stored>> {
        let fields = Fields::checked(&self.packed)?;
        let event = Event::unpack(&fields);
        Some(Arc::new(Stored::new(self.id, self.time_ms, event)))
    }

    /// The same for one reader.
    pub(super) fn fetched(self) -> Option<Fetched> {
        Fields::checked(&self.packed)?;
        Some(Fetched::new(self.id, self.time_ms, self.packed))
    }
}
