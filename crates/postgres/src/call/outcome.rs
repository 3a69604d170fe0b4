//! What the function `append` returns, as the outcome of each batch.

use tokio_postgres::Row;

use crate::{
    error::PgError,
    rows::{get, id},
};
use sse_broadcaster::{
    event::EventId,
    history::{AppendError, Batch},
};

/// What became of one batch.
pub(crate) enum Outcome {
    Kept {
        ids: Vec<EventId>,
        /// The last of those that were stored now, and their number.
        last: Option<EventId>,
        stored: u64,
    },
    Refused(AppendError),
}

/// What was appended, as the function returns it.
pub(super) struct Done {
    ms: i64,
    first_seq: i64,
    /// The event, counted through all batches from 1, and the id that it had before; in order.
    repeats: Vec<(usize, EventId)>,
    /// The batch, from 1, and why; in order.
    refused: Vec<(usize, AppendError)>,
}

impl Done {
    pub(super) fn decode(row: &Row) -> Result<Self, PgError> {
        let at = list::<i32>(row, 4)?;
        let ids = list::<i64>(row, 5)?.into_iter().zip(list::<i64>(row, 6)?);
        let repeats = at.into_iter().zip(ids);
        let batches = list::<i32>(row, 7)?;
        let keys = list::<Option<Vec<u8>>>(row, 8)?;
        let (ms, seq) = (list::<Option<i64>>(row, 9)?, list::<Option<i64>>(row, 10)?);
        let written_at = ms.into_iter().zip(seq);
        let refused = batches.into_iter().zip(keys).zip(written_at);
        Ok(Self {
            ms: get(row, 2)?,
            first_seq: get(row, 3)?,
            repeats: repeats
                .map(|(at, (ms, seq))| (number(at), id(ms, seq)))
                .collect(),
            refused: refused
                .map(|((batch, key), (ms, seq))| (number(batch), refusal(key, ms.zip(seq))))
                .collect(),
        })
    }

    /// What became of each of the batches that were sent.
    pub(super) fn outcomes(self, batches: &[Batch]) -> Vec<Outcome> {
        let mut repeats = self.repeats.into_iter().peekable();
        let mut refused = self.refused.into_iter().peekable();
        let (mut event, mut seq) = (0, self.first_seq);
        let outcome = |(number, batch): (usize, &Batch)| {
            if let Some((_, why)) = refused.next_if(|(batch, _)| *batch == number) {
                event += batch.events.len();
                return Outcome::Refused(why);
            }
            let (mut ids, mut last, mut stored) = (Vec::new(), None, 0);
            for _ in &batch.events {
                event += 1;
                if let Some((_, repeated)) = repeats.next_if(|(at, _)| *at == event) {
                    ids.push(repeated);
                    continue;
                }
                let new = id(self.ms, seq);
                seq += 1;
                stored += 1;
                last = Some(new);
                ids.push(new);
            }
            Outcome::Kept { ids, last, stored }
        };
        (1..).zip(batches).map(outcome).collect()
    }
}

fn refusal(key: Option<Vec<u8>>, written_at: Option<(i64, i64)>) -> AppendError {
    match key {
        None => AppendError::RetainedFull,
        Some(key) => AppendError::Conflict {
            key: String::from_utf8_lossy(&key).into_owned(),
            written_at: written_at.map(|(ms, seq)| id(ms, seq)),
        },
    }
}

fn number(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// An array, or nothing for NULL.
fn list<'a, T>(row: &'a Row, column: usize) -> Result<Vec<T>, PgError>
where
    T: tokio_postgres::types::FromSql<'a>,
{
    Ok(get::<Option<Vec<T>>>(row, column)?.unwrap_or_default())
}
