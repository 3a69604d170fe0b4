//! Appends, gathered into transactions: each batch whole or not at all, nothing sent twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::JoinSet,
    time::timeout_at,
};

use super::{
    call::{MAX_KEY_BYTES, Outcome, call},
    connection::Server,
    outbox,
    shared::Shared,
    upkeep,
};
use sse_broadcaster::{
    event::Event,
    history::{AppendError, Appended, Batch, ReservationGuard},
};
use sse_broadcaster_remote::Landed;

/// Most appends that wait to be sent.
pub(super) const MAX_WAITING: usize = 8_192;
/// Calls that are under way at once, one of which the server works on.
const PIPELINED: usize = 2;
/// Most events, and bytes by [`Event::cost`], of the batches in one call, or one batch alone: while it
/// runs no other node appends.
const MAX_CALL_EVENTS: usize = 512;
const MAX_CALL_BYTES: usize = 2 << 20;
/// How often the log is asked to drop what has grown too old, and the outbox is emptied, whether a notification asked for
/// it or not.
const UPKEEP_EVERY: Duration = Duration::from_millis(500);

const WAITING: u8 = 0;
const SENT: u8 = 1;
const WITHDRAWN: u8 = 2;

type Response = Result<Appended, AppendError>;

/// A batch on its way.
pub(crate) struct Job {
    batch: Batch,
    stage: Arc<AtomicU8>,
    publisher: Publisher,
}

/// The publisher that waits for the response, and what is kept reserved for it.
struct Publisher {
    reserved: ReservationGuard,
    response: oneshot::Sender<Response>,
}

impl Publisher {
    /// Its reservation ends with it: these events never come, or nobody can say whether.
    fn respond(self, response: Response) {
        let _ = self.response.send(response);
    }

    /// Acknowledges what was stored.
    async fn settle(self, shared: &Shared, at: Landed<Server>, outcome: Outcome) {
        let (ids, last, stored) = match outcome {
            Outcome::Kept { ids, last, stored } => (ids, last, stored),
            Outcome::Refused(why) => return drop(self.response.send(Err(why))),
        };
        shared.stats.committed.add(stored);
        let acknowledged = shared.acknowledge(at, last, self.reserved).await;
        let _ = self.response.send(acknowledged.map(|()| Appended { ids }));
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
}

/// Queues a batch and waits for its response, at most the timeout of the options.
pub(super) async fn append(
    shared: &Shared,
    queue: &mpsc::Sender<Job>,
    batch: Batch,
    reserved: ReservationGuard,
) -> Response {
    if batch.events.is_empty() {
        return Err(AppendError::NoEvents);
    }
    if let Some(key) = long_key(&batch) {
        let why = format!("a key of {key} bytes cannot be retained; at most {MAX_KEY_BYTES} are");
        return Err(AppendError::Unavailable(shared.unavailable_for(why)));
    }
    let deadline = tokio::time::Instant::now() + shared.address.timeout;
    if !shared.follows() {
        return Err(AppendError::Unavailable(shared.unavailable()));
    }
    let connection = shared.connection(&shared.appends).await;
    connection.map_err(AppendError::Unavailable)?;
    let stage = Arc::new(AtomicU8::new(WAITING));
    let (response, received) = oneshot::channel();
    let job = Job {
        batch,
        stage: Arc::clone(&stage),
        publisher: Publisher { reserved, response },
    };
    let asked = async {
        queue.send(job).await.ok()?;
        received.await.ok()
    };
    if let Ok(Some(response)) = timeout_at(deadline, asked).await {
        return response;
    }
    match stage.compare_exchange(WAITING, WITHDRAWN, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => {
            let why = format!("it has not responded for {:?}", shared.address.timeout);
            Err(AppendError::Unavailable(shared.unavailable_for(why)))
        }
        Err(_) => Err(shared.outcome_unknown("the reply is late")),
    }
}

/// The length of a key that the index of retained values does not take.
fn long_key(batch: &Batch) -> Option<usize> {
    let lengths = batch.retain.iter().map(|retain| retain.key.len());
    lengths.max().filter(|length| *length > MAX_KEY_BYTES)
}

/// Sends what is queued until the queue is closed, and keeps up the log in between.
pub(super) async fn send_all(shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>) {
    let calls = Arc::new(Semaphore::new(PIPELINED));
    let mut sending = JoinSet::new();
    let mut left = None;
    let mut upkeep = tokio::time::interval(UPKEEP_EVERY);
    upkeep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        while sending.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&calls).acquire_owned().await else {
            break;
        };
        tokio::select! {
            jobs = gather(&mut queue, &mut left) => match jobs {
                Some(jobs) => drop(sending.spawn(send(Arc::clone(&shared), jobs, permit))),
                None => break,
            },
            () = shared.move_now.notified() => {
                sending.spawn(outbox::move_all(Arc::clone(&shared), permit));
            }
            _ = upkeep.tick() => {
                sending.spawn(upkeep::run(Arc::clone(&shared), permit));
            }
        }
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

async fn send(shared: Arc<Shared>, jobs: Vec<Job>, permit: OwnedSemaphorePermit) {
    let usable = shared.usable(&shared.appends);
    let Some(connection) = usable.filter(|_| shared.follows()) else {
        return refuse(&shared, jobs);
    };
    let admitted = jobs.into_iter().filter_map(admit);
    let (batches, publishers): (Vec<_>, Vec<_>) = admitted.unzip();
    if batches.is_empty() {
        return;
    }
    let began = Instant::now();
    let called = call(&shared, &connection, &batches).await;
    // What follows waits for the tail, and not for PostgreSQL.
    drop((batches, permit));
    if called.is_ok() {
        shared.stats.commit_latency.observe(began.elapsed());
        shared.stats.commits.add(1);
    }
    shared.failed(called.as_ref().err().map(|failure| failure.why().clone()));
    match called {
        Ok((epoch, outcomes)) => {
            let at = Landed::now(epoch, connection.server, shared.address.timeout / 2);
            for (publisher, outcome) in publishers.into_iter().zip(outcomes) {
                publisher.settle(&shared, at, outcome).await;
            }
        }
        Err(failure) => {
            for publisher in publishers {
                publisher.respond(Err(failure.clone().into()));
            }
        }
    }
}

/// The job's two parts, unless its caller has given up.
fn admit(job: Job) -> Option<(Batch, Publisher)> {
    let swapped = job
        .stage
        .compare_exchange(WAITING, SENT, Ordering::AcqRel, Ordering::Acquire);
    swapped.ok().map(|_| (job.batch, job.publisher))
}

fn refuse(shared: &Shared, jobs: Vec<Job>) {
    for job in jobs {
        job.publisher
            .respond(Err(AppendError::Unavailable(shared.unavailable())));
    }
}
