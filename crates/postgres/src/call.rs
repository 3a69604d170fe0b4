//! One call of the function that appends, and what stands in its way: another epoch, or another server.

mod arguments;
mod outcome;

use tokio_postgres::Row;

use super::{
    connection::Connection,
    error::{PgError, within},
    rows::{get, milliseconds, signed},
    shared::Shared,
};
use sse_broadcaster::history::{AppendError, Batch, Unavailable};

use arguments::Arguments;
use outcome::Done;

pub(super) use outcome::Outcome;

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

/// What the log keeps: events, bytes and milliseconds of age.
pub(super) fn limits(shared: &Shared) -> (i64, i64, Option<i64>) {
    let retention = shared.retention;
    let age = retention.age.map(|age| milliseconds(age).max(1));
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

enum Reply<T> {
    Done(T),
    Epoch(Option<u64>),
    Server,
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
