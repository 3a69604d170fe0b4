//! Appends, gathered into calls of one script: each batch whole or not at all, nothing sent twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use ::redis::{Cmd, RedisError, Value};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::timeout_at,
};

use super::{
    connection::{Numbered, is_lost, is_refusal},
    entry::{self, Unexpected},
    script,
    shared::Shared,
};
use crate::{
    event::{Event, EventId},
    history::{
        AppendError, Appended, Batch, Hold, MAX_RETAINED_BYTES, MAX_RETAINED_VALUES, Unavailable,
    },
};

/// How long an append may take, whatever becomes of it.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(1);
/// Most appends that wait to be sent.
pub(super) const MAX_WAITING: usize = 8_192;
/// Calls that are under way at once.
const PIPELINED: usize = 2;
/// Most events, and bytes by [`Event::cost`], of the batches in one call, or one batch alone: while it
/// runs Redis serves nobody else.
const MAX_CALL_EVENTS: usize = 256;
const MAX_CALL_BYTES: usize = 1 << 20;
/// Most arguments of one call. Redis takes a million, and then hangs up.
const MAX_CALL_ARGUMENTS: usize = 1_000_000;
/// How often a call is made anew because the epoch is another. It was refused each time.
const MAX_EPOCHS: usize = 3;
/// How often the log is asked to drop what has grown too old.
const TRIM_EVERY: Duration = Duration::from_secs(1);

const WAITING: u8 = 0;
const SENT: u8 = 1;
const WITHDRAWN: u8 = 2;

type Answer = Result<Appended, AppendError>;

/// A batch on its way.
pub(super) struct Job {
    batch: Batch,
    stage: Arc<AtomicU8>,
    publisher: Publisher,
}

/// Who waits for the answer, and what is kept reserved for it.
struct Publisher {
    hold: Hold,
    answer: oneshot::Sender<Answer>,
}

impl Publisher {
    /// The hold ends with it: these events never come, or nobody can say whether.
    fn answer(self, answer: Answer) {
        let _ = self.answer.send(answer);
    }

    fn settle(self, shared: &Shared, epoch: u64, outcome: Result<Outcome, Unexpected>) {
        let answer = match outcome {
            Ok(Outcome::Kept(ids, last, stored)) => {
                shared.stats.committed.add(stored);
                if let Some(last) = last {
                    shared.holds.keep(epoch, last, self.hold);
                }
                Ok(Appended { ids })
            }
            Ok(Outcome::Refused(why)) => Err(why),
            Err(Unexpected) => Err(outcome_unknown(shared, "the reply makes no sense")),
        };
        let _ = self.answer.send(answer);
    }
}

impl Job {
    fn bytes(&self) -> usize {
        let values = self
            .batch
            .retain
            .iter()
            .filter_map(|retain| retain.value.as_ref());
        self.batch.events.iter().map(Event::cost).sum::<usize>()
            + values.map(bytes::Bytes::len).sum::<usize>()
    }

    fn arguments(&self) -> usize {
        4 * self.batch.events.len() + 3 * self.batch.retain.len() + 2 * self.batch.expect.len() + 3
    }
}

/// Queues a batch and waits for its answer, at most [`ANSWER_WITHIN`].
pub(super) async fn append(
    shared: &Shared,
    queue: &mpsc::Sender<Job>,
    batch: Batch,
    hold: Hold,
) -> Answer {
    if batch.events.is_empty() {
        return Err(AppendError::NoEvents);
    }
    let deadline = tokio::time::Instant::now() + ANSWER_WITHIN;
    let connection = shared.connection(&shared.appends).await;
    connection.map_err(AppendError::Unavailable)?;
    let stage = Arc::new(AtomicU8::new(WAITING));
    let (answer, answered) = oneshot::channel();
    let job = Job {
        batch,
        stage: Arc::clone(&stage),
        publisher: Publisher { hold, answer },
    };
    let asked = async {
        queue.send(job).await.ok()?;
        answered.await.ok()
    };
    if let Ok(Some(answer)) = timeout_at(deadline, asked).await {
        return answer;
    }
    match stage.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Err(AppendError::Unavailable(Unavailable(format!(
            "{} has not answered for {ANSWER_WITHIN:?}",
            shared.address
        )))),
        Err(_) => Err(outcome_unknown(shared, "the reply is late")),
    }
}

fn outcome_unknown(shared: &Shared, why: &str) -> AppendError {
    AppendError::OutcomeUnknown(Unavailable(format!("{}: {why}", shared.address)))
}

/// Sends what is queued until the queue is closed.
pub(super) async fn send_all(shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>) {
    let calls = Arc::new(Semaphore::new(PIPELINED));
    let mut sending = JoinSet::new();
    let mut left = None;
    let mut trims = tokio::time::interval(TRIM_EVERY);
    trims.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while let Ok(permit) = Arc::clone(&calls).acquire_owned().await {
        while sending.try_join_next().is_some() {}
        let jobs = tokio::select! {
            jobs = gather(&mut queue, &mut left) => match jobs {
                Some(jobs) => jobs,
                None => break,
            },
            _ = trims.tick(), if shared.retention.age.is_some() => Vec::new(),
        };
        sending.spawn(send(Arc::clone(&shared), jobs, permit));
    }
    sending.join_all().await;
}

/// The next batches that go into one call, or `None` when there will be none. Loses nothing when it is
/// dropped while it waits.
async fn gather(queue: &mut mpsc::Receiver<Job>, left: &mut Option<Job>) -> Option<Vec<Job>> {
    let mut jobs: Vec<Job> = Vec::new();
    let (mut events, mut bytes) = (0, 0);
    loop {
        let next = match left.take() {
            Some(job) => Some(job),
            None if jobs.is_empty() => Some(queue.recv().await?),
            None => queue.try_recv().ok(),
        };
        let Some(job) = next else { return Some(jobs) };
        events += job.batch.events.len();
        bytes += job.bytes();
        if !jobs.is_empty() && (events > MAX_CALL_EVENTS || bytes > MAX_CALL_BYTES) {
            *left = Some(job);
            return Some(jobs);
        }
        jobs.push(job);
    }
}

async fn send(shared: Arc<Shared>, jobs: Vec<Job>, _permit: OwnedSemaphorePermit) {
    let is_trim = jobs.is_empty();
    let Some(mut lane) = shared.appends.get() else {
        return refuse(&shared, jobs);
    };
    let admitted = jobs.into_iter().filter_map(|job| admit(&shared, job));
    let (batches, publishers): (Vec<_>, Vec<_>) = admitted.unzip();
    if batches.is_empty() && !is_trim {
        return;
    }
    let began = Instant::now();
    let called = call(&shared, &mut lane, &batches).await;
    if !is_trim && called.is_ok() {
        shared.stats.commit_latency.observe(began.elapsed());
        shared.stats.commits.add(1);
    }
    match called {
        Ok((epoch, replies)) => {
            let mut replies = replies.into_iter();
            for publisher in publishers {
                let outcome = replies.next().ok_or(Unexpected).and_then(decode);
                publisher.settle(&shared, epoch, outcome);
            }
        }
        Err(Failure::Refused(why)) => {
            for publisher in publishers {
                publisher.answer(Err(AppendError::Unavailable(Unavailable(why.clone()))));
            }
        }
        Err(Failure::Unknown(why)) => {
            for publisher in publishers {
                publisher.answer(Err(outcome_unknown(&shared, &why)));
            }
        }
    }
}

/// The job's two parts, if it is to be sent.
fn admit(shared: &Shared, job: Job) -> Option<(Batch, Publisher)> {
    let swapped = job
        .stage
        .compare_exchange(WAITING, SENT, Ordering::AcqRel, Ordering::Acquire);
    if swapped.is_err() {
        // Its caller has given up.
        return None;
    }
    if job.arguments() > MAX_CALL_ARGUMENTS {
        let why = format!("{} takes no batch of so many parts", shared.address);
        job.publisher
            .answer(Err(AppendError::Unavailable(Unavailable(why))));
        return None;
    }
    Some((job.batch, job.publisher))
}

fn refuse(shared: &Shared, jobs: Vec<Job>) {
    for job in jobs {
        job.publisher
            .answer(Err(AppendError::Unavailable(shared.unavailable())));
    }
}

enum Failure {
    /// Nothing was kept.
    Refused(String),
    Unknown(String),
}

impl Failure {
    fn of(error: &RedisError) -> Self {
        if is_refusal(error) {
            Self::Refused(error.to_string())
        } else {
            Self::Unknown(error.to_string())
        }
    }
}

/// Runs the script in the epoch that there is; where that is another than was known it is told, has
/// done nothing, and is run again.
async fn call(
    shared: &Shared,
    lane: &mut Numbered,
    batches: &[Batch],
) -> Result<(u64, Vec<Value>), Failure> {
    for _ in 0..MAX_EPOCHS {
        let epoch = shared.epoch();
        let reply = script::run(&command(shared, epoch, batches), &mut lane.connection).await;
        let reply = reply.and_then(|reply| Ok(entry::list(reply)?));
        let mut replies = match reply {
            Ok(replies) => replies,
            Err(error) => {
                if is_lost(&error) {
                    shared.appends.drop_broken(lane);
                }
                return Err(Failure::of(&error));
            }
        };
        if !matches!(replies.first(), Some(Value::BulkString(word)) if word == b"epoch") {
            return Ok((epoch, replies));
        }
        let current = replies
            .pop()
            .and_then(|current| entry::number(current).ok());
        let current = match current {
            Some(current) => Ok(current),
            None => {
                shared
                    .begin_epoch(&mut lane.connection, None, epoch != 0)
                    .await
            }
        };
        // Nothing of these batches was kept, whatever becomes of the epoch.
        shared.set_epoch(current.map_err(|error| Failure::Refused(error.to_string()))?);
    }
    Err(Failure::Refused("its epoch changes all the time".into()))
}

fn command(shared: &Shared, epoch: u64, batches: &[Batch]) -> Cmd {
    let keys = &shared.keys;
    let mut call = script::APPEND.call(&[
        &keys.log,
        &keys.meta,
        &keys.own,
        &keys.spent,
        &keys.retained,
    ]);
    let age = shared.retention.age.map_or(0, |age| age.as_millis().max(1));
    call.arg(epoch)
        .arg(shared.retention.events)
        .arg(shared.retention.bytes)
        .arg(u64::try_from(age).unwrap_or(u64::MAX))
        .arg(MAX_RETAINED_VALUES)
        .arg(MAX_RETAINED_BYTES)
        .arg(&keys.topic)
        .arg(batches.len());
    for batch in batches {
        call.arg(batch.expect.len());
        for expect in &batch.expect {
            let at = expect.written_at.map(|id| id.to_string());
            call.arg(&expect.key).arg(at.unwrap_or_default());
        }
        call.arg(batch.retain.len());
        for retain in &batch.retain {
            let value = retain.value.as_deref();
            call.arg(&retain.key)
                .arg(u8::from(value.is_some()))
                .arg(value.unwrap_or_default());
        }
        call.arg(batch.events.len());
        for event in &batch.events {
            entry::add(&mut call, event);
        }
    }
    call
}

/// What one batch was answered.
enum Outcome {
    /// The ids, and the last of those that were stored now, with their number.
    Kept(Vec<EventId>, Option<EventId>, u64),
    Refused(AppendError),
}

fn decode(reply: Value) -> Result<Outcome, Unexpected> {
    let replies = match reply {
        Value::Array(replies) => replies,
        one => vec![one],
    };
    if let Some(Value::BulkString(word)) = replies.first() {
        match word.as_slice() {
            b"conflict" => return conflict(replies),
            b"full" => return Ok(Outcome::Refused(AppendError::RetainedFull)),
            _ => {}
        }
    }
    let (mut last, mut stored) = (None, 0);
    let mut ids = Vec::with_capacity(replies.len());
    for reply in replies {
        let Value::BulkString(text) = reply else {
            return Err(Unexpected);
        };
        let repeated = text.strip_prefix(b"=");
        let id = entry::position(repeated.unwrap_or(&text)).ok_or(Unexpected)?;
        if repeated.is_none() {
            last = Some(id);
            stored += 1;
        }
        ids.push(id);
    }
    Ok(Outcome::Kept(ids, last, stored))
}

fn conflict(replies: Vec<Value>) -> Result<Outcome, Unexpected> {
    let [_, key, id]: [Value; 3] = replies.try_into().map_err(|_| Unexpected)?;
    Ok(Outcome::Refused(AppendError::Conflict {
        key: entry::text(key)?,
        written_at: entry::optional_id(id)?,
    }))
}
