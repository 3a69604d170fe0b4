//! One call of a script that writes to the log, and what stands in its way: another epoch, or something that was
//! lost.

use std::time::{Duration, Instant};

use ::redis::{Cmd, RedisError, Value};

use super::{
    connection::{Connection, Server},
    entry,
    refusal::{is_demoted, is_lost, is_refusal},
    script::{self, Script},
    shared::Shared,
};
use sse_broadcaster::history::{AppendError, Unavailable};

/// How often a call is made anew because the epoch is another, or because something was lost. It was
/// refused each time.
const MAX_EPOCHS: usize = 3;
/// How long a lost index of idempotency keys is restored before publishes are refused until it is whole, and the
/// events and bytes that one call goes through.
const REPAIR_WITHIN: Duration = Duration::from_millis(500);
const REPAIR_STEP: (usize, usize) = (4_096, 4 << 20);

/// Why a call was not carried out, or may not have been.
#[derive(Clone)]
pub(super) enum Failure {
    /// Nothing was kept.
    Refused(Unavailable),
    Unknown(Unavailable),
}

impl Failure {
    fn of(shared: &Shared, error: RedisError) -> Self {
        if is_refusal(&error) {
            Self::Refused(shared.unavailable_by(error))
        } else {
            Self::Unknown(shared.unavailable_by(error))
        }
    }

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

/// Runs the script in the epoch that there is; where it has done nothing because that is another than was
/// known, or because something was lost, it is run again once this is set right.
pub(super) async fn call(
    shared: &Shared,
    connection: &mut Connection,
    command: impl Fn(u64, Server) -> Cmd,
) -> Result<(u64, Vec<Value>), Failure> {
    for _ in 0..MAX_EPOCHS {
        let epoch = shared.epoch();
        let call = command(epoch, connection.server);
        let reply = script::run(&call, &mut connection.multiplexed).await;
        let mut replies = match reply.and_then(|reply| Ok(entry::list(reply)?)) {
            Ok(replies) => replies,
            Err(error) => {
                has_failed(shared, connection, &error);
                return Err(Failure::of(shared, error));
            }
        };
        let word = match replies.first() {
            Some(Value::BulkString(word)) => word.as_slice(),
            _ => b"",
        };
        match word {
            b"epoch" => {
                let current = replies.pop().and_then(|reply| entry::number(reply).ok());
                match current {
                    Some(current) => shared.set_epoch(current),
                    None => begin_epoch(shared, connection, None, epoch != 0).await?,
                }
            }
            b"lost" => begin_epoch(shared, connection, Some(epoch), true).await?,
            b"keys" => restore_idempotency_keys(shared, connection, epoch).await?,
            b"server" => {
                let why = "another server has taken over, or this one was restarted, and has yet to \
                           take over its log";
                return Err(Failure::Refused(shared.unavailable_for(why)));
            }
            _ => return Ok((epoch, replies)),
        }
    }
    let why = "its epoch changes all the time";
    Err(Failure::Refused(shared.unavailable_for(why)))
}

/// Leaves what takes no events.
fn has_failed(shared: &Shared, connection: &Connection, error: &RedisError) {
    if is_lost(error) {
        shared.appends.drop_broken(connection);
    }
    let followed = shared.reservations.followed();
    if let Some(followed) = followed.filter(|followed| followed.server == connection.server)
        && is_demoted(error)
    {
        shared.leave(followed);
    }
}

async fn begin_epoch(
    shared: &Shared,
    connection: &mut Connection,
    ended: Option<u64>,
    is_lossy: bool,
) -> Result<(), Failure> {
    let begun = shared
        .begin_epoch(
            &mut connection.multiplexed,
            connection.server,
            ended,
            is_lossy,
        )
        .await;
    // Nothing of these batches was kept, whatever becomes of the epoch.
    let epoch = begun.map_err(|error| Failure::Refused(shared.unavailable_by(error)))?;
    shared.set_epoch(epoch);
    Ok(())
}

async fn restore_idempotency_keys(
    shared: &Shared,
    connection: &mut Connection,
    epoch: u64,
) -> Result<(), Failure> {
    shared.warn_once(
        "has lost its index of idempotency keys, which is restored from the log: it was deleted or evicted",
    );
    let keys = &shared.keys;
    let mut step = script::RESTORE_KEYS.call(&[&keys.log, &keys.meta, &keys.ids_by_key]);
    step.arg(epoch).arg(REPAIR_STEP.0).arg(REPAIR_STEP.1);
    let until = Instant::now() + REPAIR_WITHIN;
    loop {
        let reply = script::run(&step, &mut connection.multiplexed).await;
        let reply = reply.and_then(|reply| Ok(entry::parts(reply)?));
        let [is_whole] = reply.map_err(|error| Failure::Refused(shared.unavailable_by(error)))?;
        if entry::number(is_whole) == Ok(1) {
            return Ok(());
        }
        if Instant::now() > until {
            let why = "its index of idempotency keys was lost and is being restored";
            return Err(Failure::Refused(shared.unavailable_for(why)));
        }
    }
}

/// A call of such a script with the arguments that all of them have.
pub(super) fn command(shared: &Shared, script: &Script, epoch: u64, server: Server) -> Cmd {
    let keys = &shared.keys;
    let mut call = script.call(&keys.all());
    let age = shared.retention.age.map_or(0, |age| age.as_millis().max(1));
    call.arg(epoch)
        .arg(server.to_string())
        .arg(shared.retention.events)
        .arg(shared.retention.bytes)
        .arg(u64::try_from(age).unwrap_or(u64::MAX))
        .arg(&keys.topic);
    call
}
