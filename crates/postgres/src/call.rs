//! One call of the function that appends, and what stands in its way: another epoch, or another server.

use tokio_postgres::Row;

use super::{
    connection::Connection,
    error::{PgError, within},
    rows::{get, id, signed},
    shared::Shared,
};
use sse_broadcaster::{
    Topic,
    event::{EventId, IdempotencyKey},
    history::{AppendError, Batch, MAX_RETAINED_BYTES, MAX_RETAINED_VALUES, Unavailable},
};

/// How often a call is made anew because the epoch is another. It was refused each time.
const MAX_EPOCHS: usize = 3;
/// Longest key of a retained value, which the index has to take.
pub(super) const MAX_KEY_BYTES: usize = 2_000;

/// Why a call was not carried out, or may not have been.
#[derive(Clone)]
pub(super) enum Failure {
    /// Nothing was kept.
    Refused(Unavailable),
    Unknown(Unavailable),
}

impl Failure {
    pub(super) fn why(&self) -> &Unavailable {
        let (Self::Refused(why) | Self::Unknown(why)) = self;
        why
    }
}

impl From<Failure> for AppendError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Refused(why) => Self::Unavailable(why),
            Failure::Unknown(why) => Self::OutcomeUnknown(why),
        }
    }
}

/// What became of one batch.
pub(super) enum Outcome {
    Kept {
        ids: Vec<EventId>,
        /// The last of those that were stored now, and their number.
        last: Option<EventId>,
        stored: u64,
    },
    Refused(AppendError),
}

/// What the log keeps: events, bytes and milliseconds of age.
pub(super) fn limits(shared: &Shared) -> (i64, i64, Option<i64>) {
    let retention = shared.retention;
    let age = retention.age.map(|age| {
        let ms = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        signed(ms.max(1))
    });
    let (events, bytes) = (retention.events as u64, retention.bytes as u64);
    (signed(events), signed(bytes), age)
}

/// Appends, and returns the epoch and what became of each batch.
pub(super) async fn call(
    shared: &Shared,
    connection: &Connection,
    batches: &[Batch],
) -> Result<(u64, Vec<Outcome>), Failure> {
    let arguments = Arguments::of(batches);
    let send = |epoch| arguments.send(shared, connection, epoch);
    let (epoch, done) = in_epoch(shared, connection, send, Done::decode).await?;
    Ok((epoch, done.outcomes(batches)))
}

/// Calls a function that changes the log in the epoch that there is; where nothing was done because that is another than
/// was known, again in that one. Returns the epoch, and what the function did.
pub(super) async fn in_epoch<T, F>(
    shared: &Shared,
    connection: &Connection,
    send: impl Fn(u64) -> F,
    decode: fn(&Row) -> Result<T, PgError>,
) -> Result<(u64, T), Failure>
where
    F: Future<Output = Result<Row, PgError>>,
{
    for _ in 0..MAX_EPOCHS {
        let epoch = shared.epoch();
        let asked = within(shared.address.timeout, send(epoch)).await;
        let replied = asked.and_then(|row| Reply::decode(&row, decode));
        match replied.map_err(|error| failed(shared, connection, error))? {
            Reply::Done(done) => return Ok((epoch, done)),
            Reply::Epoch(Some(current)) => shared.set_epoch(current),
            Reply::Epoch(None) => {
                let begun = shared.begin_epoch(connection, None, epoch != 0).await;
                // Nothing was done, whatever becomes of the epoch.
                let begun =
                    begun.map_err(|error| Failure::Refused(shared.unavailable_by(error)))?;
                shared.set_epoch(begun);
            }
            Reply::Server => {
                let why = "another server has taken over, or this one was restarted, and has yet to take over its log";
                return Err(Failure::Refused(shared.unavailable_for(why)));
            }
        }
    }
    let why = "its epoch changes all the time";
    Err(Failure::Refused(shared.unavailable_for(why)))
}

/// Leaves what takes no events.
fn failed(shared: &Shared, connection: &Connection, error: PgError) -> Failure {
    if error.is_lost() {
        shared.appends.drop_broken(connection);
    }
    let followed = shared.reservations.followed();
    if let Some(followed) = followed.filter(|followed| followed.server == connection.server)
        && error.is_demoted()
    {
        shared.leave(followed);
    }
    if error.is_refusal() {
        Failure::Refused(shared.unavailable_by(error))
    } else {
        Failure::Unknown(shared.unavailable_by(error))
    }
}

/// The batches as the arrays that the function takes.
#[derive(Default)]
struct Arguments<'a> {
    packed: Vec<Vec<u8>>,
    topics: Vec<String>,
    costs: Vec<i64>,
    keys: Vec<Option<&'a str>>,
    /// `None` for the way without keys, preconditions and values.
    counts: Option<Vec<i32>>,
    expect_batch: Vec<i32>,
    expect_key: Vec<&'a [u8]>,
    expect_ms: Vec<Option<i64>>,
    expect_seq: Vec<Option<i64>>,
    retain_batch: Vec<i32>,
    /// Counted through all batches from 1.
    retain_event: Vec<Option<i32>>,
    retain_key: Vec<&'a [u8]>,
    retain_value: Vec<Option<&'a [u8]>>,
}

impl<'a> Arguments<'a> {
    fn of(batches: &'a [Batch]) -> Self {
        let mut arguments = Self::default();
        for (number, batch) in (1..).zip(batches) {
            arguments.add(number, batch);
        }
        let is_plain = arguments.keys.iter().all(Option::is_none)
            && arguments.expect_batch.is_empty()
            && arguments.retain_batch.is_empty();
        if !is_plain {
            let count = |batch: &Batch| i32::try_from(batch.events.len()).unwrap_or(i32::MAX);
            arguments.counts = Some(batches.iter().map(count).collect());
        }
        arguments
    }

    fn add(&mut self, number: i32, batch: &'a Batch) {
        let first = self.packed.len() + 1;
        for event in &batch.events {
            let mut packed = Vec::new();
            event.pack(&mut packed);
            self.packed.push(packed);
            let topics: Vec<_> = event.topics().iter().map(Topic::as_str).collect();
            self.topics.push(topics.join("\n"));
            self.costs.push(signed(event.cost() as u64));
            self.keys
                .push(event.idempotency_key().map(IdempotencyKey::as_str));
        }
        for expected in &batch.preconditions {
            self.expect_batch.push(number);
            self.expect_key.push(expected.key.as_bytes());
            let at = expected.written_at;
            self.expect_ms.push(at.map(|id| signed(id.ms())));
            self.expect_seq.push(at.map(|id| signed(id.seq())));
        }
        for retain in &batch.retain {
            // One that the batch does not have is none that is appended.
            let of_event = |index: usize| {
                let is_there = index < batch.events.len();
                i32::try_from(if is_there { first + index } else { 0 }).unwrap_or_default()
            };
            self.retain_batch.push(number);
            self.retain_event.push(retain.of_event.map(of_event));
            self.retain_key.push(retain.key.as_bytes());
            self.retain_value.push(retain.value.as_deref());
        }
    }

    async fn send(
        &self,
        shared: &Shared,
        connection: &Connection,
        epoch: u64,
    ) -> Result<Row, PgError> {
        let (events, bytes, age) = limits(shared);
        let row = connection
            .client
            .query_one(
                &connection.statements.append,
                &[
                    &signed(epoch),
                    &connection.server.to_string(),
                    &events,
                    &bytes,
                    &age,
                    &fastrand::i64(..),
                    &self.packed,
                    &self.topics,
                    &self.costs,
                    &self.keys,
                    &self.counts,
                    &self.expect_batch,
                    &self.expect_key,
                    &self.expect_ms,
                    &self.expect_seq,
                    &self.retain_batch,
                    &self.retain_event,
                    &self.retain_key,
                    &self.retain_value,
                    &signed(MAX_RETAINED_VALUES as u64),
                    &signed(MAX_RETAINED_BYTES as u64),
                ],
            )
            .await?;
        Ok(row)
    }
}

enum Reply<T> {
    Done(T),
    Epoch(Option<u64>),
    Server,
}

/// What was appended, as the function returns it.
struct Done {
    ms: i64,
    first_seq: i64,
    /// The event, counted through all batches from 1, and the id that it had before; in order.
    repeats: Vec<(usize, EventId)>,
    /// The batch, from 1, and why; in order.
    refused: Vec<(usize, AppendError)>,
}

impl<T> Reply<T> {
    fn decode(row: &Row, decode: fn(&Row) -> Result<T, PgError>) -> Result<Self, PgError> {
        match get(row, 0)? {
            "ok" => Ok(Self::Done(decode(row)?)),
            "epoch" => {
                let current: Option<i64> = get(row, 1)?;
                Ok(Self::Epoch(current.map(i64::unsigned_abs)))
            }
            "server" => Ok(Self::Server),
            other => Err(PgError::own(format!("a function has returned {other}"))),
        }
    }
}

impl Done {
    fn decode(row: &Row) -> Result<Self, PgError> {
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
    fn outcomes(self, batches: &[Batch]) -> Vec<Outcome> {
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
