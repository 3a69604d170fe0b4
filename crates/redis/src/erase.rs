//! Erasures, one at a time: each is one call of the script that appends the event that tells of it, after calls that
//! only look where a lot comes before the first event of the topic.

use ::redis::{Cmd, Value};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    call::{call, command},
    connection::Server,
    entry::{self, Unexpected},
    script,
    shared::Shared,
};
use sse_broadcaster::{
    event::EventId,
    history::{
        AppendError, EraseScope, Erased, Erasure, MAX_ERASED_AT_ONCE, ReservationGuard, Unavailable,
    },
};
use sse_broadcaster_remote::Landed;

/// Stands for the id that the script finds, in the event that tells of an erasure.
const LAST: EventId = EventId::new(0, 0);

/// What one call has done.
enum Step {
    /// There is nothing to erase up to here.
    Looked(EventId),
    /// With the id of the event that tells of it.
    Erased(Erased, Option<EventId>),
}

/// See [`History::erase`](sse_broadcaster::history::History::erase).
pub(super) async fn erase(
    shared: &Shared,
    turns: &Semaphore,
    erasure: &Erasure,
    reserved: ReservationGuard,
) -> Result<Erased, AppendError> {
    let turn = timeout(shared.address.timeout, turns.acquire()).await;
    let refused = |why: Unavailable| AppendError::Unavailable(why);
    let _turn = match turn {
        Ok(Ok(turn)) => turn,
        Ok(Err(_)) => return Err(refused(Unavailable::new("it is closed"))),
        Err(_) => return Err(refused(shared.unavailable_for("it erases other events"))),
    };
    let mut from = "-".to_owned();
    loop {
        if !shared.follows() {
            return Err(refused(shared.unavailable()));
        }
        let connection = shared.connection(&shared.appends).await;
        let mut connection = connection.map_err(refused)?;
        let called = call(shared, &mut connection, |epoch, server| {
            one_step(shared, epoch, server, erasure, &from)
        });
        let called = called.await;
        shared.failed(called.as_ref().err().map(|failure| failure.why().clone()));
        let (epoch, reply) = called?;
        let at = Landed::now(epoch, connection.server, shared.address.timeout);
        let step = decode(reply);
        match step.map_err(|error| AppendError::OutcomeUnknown(shared.unavailable_by(error)))? {
            Step::Looked(to) => from = format!("({to}"),
            Step::Erased(erased, None) => return Ok(erased),
            Step::Erased(erased, last) => {
                shared.stats.committed.add(1);
                shared.acknowledge(at, last, reserved).await?;
                return Ok(erased);
            }
        }
    }
}

fn one_step(shared: &Shared, epoch: u64, server: Server, erasure: &Erasure, from: &str) -> Cmd {
    let event = erasure.event(LAST);
    let last = LAST.to_string();
    let (before, behind) = event.data().split_once(&last).unwrap_or_default();
    let mut call = command(shared, &script::ERASE, epoch, server);
    call.arg(erasure.up_to.map_or("+".to_owned(), |id| id.to_string()))
        .arg(from)
        .arg(u8::from(erasure.scope == EraseScope::Alone))
        .arg(MAX_ERASED_AT_ONCE)
        .arg(event.topics()[0].as_str())
        .arg(before)
        .arg(behind)
        .arg(erasure.topic.as_str());
    call
}

fn decode(reply: Vec<Value>) -> Result<Step, Unexpected> {
    let looked = Value::BulkString(b"looked".to_vec());
    if reply.first() == Some(&looked) {
        let [_, to] = reply.try_into().map_err(|_| Unexpected)?;
        return Ok(Step::Looked(entry::id(to)?));
    }
    // The tail reads the state of the log, and what was erased.
    let [_, events, more, last]: [Value; 4] = reply.try_into().map_err(|_| Unexpected)?;
    let erased = Erased {
        events: usize::try_from(entry::number(events)?).map_err(|_| Unexpected)?,
        more: entry::number(more)? == 1,
    };
    Ok(Step::Erased(erased, entry::optional_id(last)?))
}
