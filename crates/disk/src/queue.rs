//! What waits for the next commit. It needs no bound of its own: whoever publishes has reserved room
//! in the window for it, and that is bounded.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use super::erase::ErasureStep;
use sse_broadcaster::{
    event::EventId,
    history::{AppendError, Batch, Erased, ReservationGuard},
};

pub(super) struct Pending {
    job: Job,
    /// What it writes, by [`Event::cost`](sse_broadcaster::Event::cost).
    pub(super) bytes: u64,
    waiting: Waiting,
}

/// What the writer is to do, in one commit.
pub(super) enum Job {
    Append(Batch),
    Erase(ErasureStep),
}

/// What became of a job.
#[derive(Default)]
pub(super) struct Written {
    /// Of the events of a batch.
    pub(super) ids: Vec<EventId>,
    pub(super) erased: Erased,
}

/// Whoever waits for the response.
pub(super) struct Waiting {
    reserved: ReservationGuard,
    response: oneshot::Sender<Response>,
}

pub(super) type Response = Result<Written, AppendError>;

impl Pending {
    pub(super) fn new(job: Job, reserved: ReservationGuard) -> (Self, oneshot::Receiver<Response>) {
        let (response, receiver) = oneshot::channel();
        (Self::again((job, Waiting { reserved, response })), receiver)
    }

    /// One that was taken from the queue before.
    pub(super) fn again((job, waiting): (Job, Waiting)) -> Self {
        Self {
            bytes: job.bytes(),
            job,
            waiting,
        }
    }

    pub(super) fn erases(&self) -> bool {
        self.job.erases()
    }

    pub(super) fn split(self) -> (Job, Waiting) {
        (self.job, self.waiting)
    }

    pub(super) fn respond(self, response: Response) {
        self.waiting.respond(response);
    }
}

impl Job {
    pub(super) fn erases(&self) -> bool {
        matches!(self, Self::Erase(_))
    }

    /// Why it is refused where what it needs of the log is damaged.
    pub(super) fn cannot_be_read(&self) -> &'static str {
        match self {
            Self::Append(_) => "the idempotency keys cannot be read",
            Self::Erase(_) => "the events to erase cannot be read",
        }
    }

    fn events(&self) -> usize {
        match self {
            Self::Append(batch) => batch.events.len(),
            Self::Erase(step) => step.ids.len() + 1,
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Append(batch) => batch.events.iter().map(|event| event.cost() as u64).sum(),
            Self::Erase(step) => step.bytes,
        }
    }
}

impl Waiting {
    pub(super) fn respond(self, response: Response) {
        drop(self.reserved);
        // Whoever asked may be gone.
        let _ = self.response.send(response);
    }
}

/// What the writer is to do next.
pub(super) enum Next {
    Commit(Vec<Pending>),
    /// Nothing came in time.
    Rest,
    /// Somebody met damage.
    Repair,
    /// Nothing will come any more.
    End,
}

/// How much is taken at once; one batch alone may be more.
#[derive(Debug, Clone, Copy)]
pub(super) struct GroupBound {
    pub(super) events: usize,
    pub(super) bytes: u64,
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    bell: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Pending>,
    closed: bool,
    is_damaged: bool,
}

impl Queue {
    /// False when it is closed.
    pub(super) fn push(&self, pending: Pending) -> Result<(), Pending> {
        {
            let mut state = self.state.lock();
            if state.closed {
                return Err(pending);
            }
            state.waiting.push_back(pending);
        }
        self.bell.notify_one();
        Ok(())
    }

    pub(super) fn close(&self) {
        self.state.lock().closed = true;
        self.bell.notify_one();
    }

    /// Has the writer repair the log next.
    pub(super) fn repair(&self) {
        self.state.lock().is_damaged = true;
        self.bell.notify_one();
    }

    pub(super) fn next(&self, bound: GroupBound, wait: Duration) -> Next {
        let deadline = Instant::now() + wait;
        let mut state = self.state.lock();
        if std::mem::take(&mut state.is_damaged) {
            return Next::Repair;
        }
        while state.waiting.is_empty() {
            if state.closed {
                return Next::End;
            }
            if self.bell.wait_until(&mut state, deadline).timed_out() {
                return Next::Rest;
            }
            if std::mem::take(&mut state.is_damaged) {
                return Next::Repair;
            }
        }
        Next::Commit(state.take(bound))
    }
}

impl State {
    fn take(&mut self, bound: GroupBound) -> Vec<Pending> {
        let (mut taken, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(pending) = self.waiting.front() {
            events += pending.job.events();
            bytes += pending.bytes;
            if !taken.is_empty() && (events > bound.events || bytes > bound.bytes) {
                break;
            }
            taken.extend(self.waiting.pop_front());
        }
        taken
    }
}
