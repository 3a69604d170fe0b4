//! Appends, gathered into calls of one script: each batch whole or not at all, nothing sent twice.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    task::{JoinSet, yield_now},
    time::{timeout, timeout_at},
};

use super::{
    batches::{Batches, Outcome, Reply},
    call::call,
    connection::Server,
    own::{Own, UnderWay},
    shared::Shared,
};
use sse_broadcaster::{
    event::Event,
    history::{AppendError, Appended, Batch, ReservationGuard},
};
use sse_broadcaster_remote::Landed;

/// Most appends that wait to be sent.
pub(super) const MAX_WAITING: usize = 8_192;
/// Calls that are under way at once.
const PIPELINED: u32 = 2;
/// How long what comes while a call is under way joins the next one, unless the reply comes before: a call costs Redis and
/// this node as much as ten events.
const JOIN_WITHIN: Duration = Duration::from_millis(1);
/// Most events, and bytes by [`Event::cost`], of the batches in one call, or one batch alone: while it
/// runs Redis serves nobody else.
const MAX_CALL_EVENTS: usize = 256;
const MAX_CALL_BYTES: usize = 1 << 20;
/// Most arguments of one call. Redis takes a million, and then hangs up.
const MAX_CALL_ARGUMENTS: usize = 1_000_000;
/// How often the log is asked to drop what has grown too old, and whether it takes events again.
const TRIM_EVERY: Duration = Duration::from_secs(1);

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
            Outcome::Refused(why) => return self.respond(Err(why)),
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

    fn arguments(&self) -> usize {
        4 * self.batch.events.len()
            + 4 * self.batch.retain.len()
            + 2 * self.batch.preconditions.len()
            + 3
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
    let deadline = tokio::time::Instant::now() + shared.address.timeout;
    if !shared.follows() {
        return Err(AppendError::Unavailable(shared.unavailable()));
    }
    if !shared.is_usable(&shared.appends) {
        let connection = shared.connection(&shared.appends).await;
        connection.map_err(AppendError::Unavailable)?;
    }
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

/// Sends what is queued until the queue is closed.
pub async fn send_all(shared: Arc<Shared>, mut queue: mpsc::Receiver<Job>) {
    let calls = Arc::new(Semaphore::new(PIPELINED as usize));
    let mut sending = JoinSet::new();
    let mut left = None;
    let mut trims = tokio::time::interval(TRIM_EVERY);
    trims.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while let Ok(permit) = Arc::clone(&calls).acquire_owned().await {
        while sending.try_join_next().is_some() {}
        let is_full = left.is_some();
        let jobs = tokio::select! {
            job = next(&mut queue, &mut left) => {
                let Some(job) = job else { break };
                if !is_full {
                    let reply = calls.acquire_many(PIPELINED - 1);
                    let _ = timeout(JOIN_WITHIN, reply).await;
                }
                gather(job, &mut queue, &mut left)
            }
            _ = trims.tick() => {
                if shared.retention.age.is_none() && !shared.is_failing() {
                    continue;
                }
                Vec::new()
            }
        };
        sending.spawn(send(Arc::clone(&shared), jobs, permit));
    }
    sending.join_all().await;
}

/// The next batch, or `None` when there will be none. Loses nothing when it is dropped while it waits.
async fn next(queue: &mut mpsc::Receiver<Job>, left: &mut Option<Job>) -> Option<Job> {
    match left.take() {
        Some(job) => Some(job),
        None => queue.recv().await,
    }
}

/// The batches that go into one call with this one.
fn gather(first: Job, queue: &mut mpsc::Receiver<Job>, left: &mut Option<Job>) -> Vec<Job> {
    let (mut events, mut bytes) = (first.batch.events.len(), first.bytes());
    let mut jobs = vec![first];
    while let Ok(job) = queue.try_recv() {
        events += job.batch.events.len();
        bytes += job.bytes();
        if events > MAX_CALL_EVENTS || bytes > MAX_CALL_BYTES {
            *left = Some(job);
            break;
        }
        jobs.push(job);
    }
    jobs
}

async fn send(shared: Arc<Shared>, jobs: Vec<Job>, permit: OwnedSemaphorePermit) {
    let is_trim = jobs.is_empty();
    let usable = shared.usable(&shared.appends);
    let Some(mut connection) = usable.filter(|_| shared.follows()) else {
        return refuse(&shared, jobs);
    };
    let admitted = jobs.into_iter().filter_map(|job| admit(&shared, job));
    let (batches, publishers): (Vec<_>, Vec<_>) = admitted.unzip();
    let batches = Batches::new(batches);
    if batches.is_empty() && !is_trim {
        return;
    }
    let (began, under_way) = (Instant::now(), shared.to_tail.call_begins());
    let called = call(&shared, &mut connection, |epoch, server| {
        batches.call(&shared, epoch, server)
    })
    .await;
    // What follows waits for the tail, and not for Redis.
    drop(permit);
    if !is_trim && called.is_ok() {
        shared.stats.commit_latency.observe(began.elapsed());
        shared.stats.commits.add(1);
    }
    shared.failed(called.as_ref().err().map(|failure| failure.why().clone()));
    let appended = called
        .map_err(AppendError::from)
        .and_then(|(epoch, replies)| {
            let unknown = |error| AppendError::OutcomeUnknown(shared.unavailable_by(error));
            Ok((epoch, batches.decode(replies).map_err(unknown)?))
        });
    match appended {
        Ok((epoch, appended)) => {
            let at = (epoch, connection.server);
            settle_all(&shared, at, appended, under_way, publishers).await;
        }
        Err(why) => {
            for publisher in publishers {
                publisher.respond(Err(why.clone()));
            }
        }
    }
}

/// Hands over what was stored to the tail, and acknowledges it.
async fn settle_all(
    shared: &Shared,
    (epoch, server): (u64, Server),
    appended: Reply,
    under_way: UnderWay<'_>,
    publishers: Vec<Publisher>,
) {
    let at = Landed::now(epoch, server, shared.address.timeout);
    under_way.hand_over(Own {
        epoch,
        server,
        log: appended.log,
        stored: appended.stored,
    });
    drop(under_way);
    // As a rule the tail takes it now. Then there is nothing to be kept reserved.
    yield_now().await;
    for (publisher, outcome) in publishers.into_iter().zip(appended.outcomes) {
        publisher.settle(shared, at, outcome).await;
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
        let why = shared.unavailable_for("it takes no batch of so many parts");
        job.publisher.respond(Err(AppendError::Unavailable(why)));
        return None;
    }
    Some((job.batch, job.publisher))
}

fn refuse(shared: &Shared, jobs: Vec<Job>) {
    for job in jobs {
        job.publisher
            .respond(Err(AppendError::Unavailable(shared.unavailable())));
    }
}
