//! The threads that read the log: so many reads at a time, in the order in which they were asked for.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    thread,
};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// Reads that may be with the engine at a time; the others wait.
const THREADS: usize = 4;

type Job = Box<dyn FnOnce() + Send>;

/// The threads end when this is dropped. What waits is bounded by who waits for it: a reader has no more
/// than two reads, and one that has gone away none.
#[derive(Debug)]
pub(super) struct Readers(Sender<Job>);

impl Readers {
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..THREADS {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new().name("history-read".into());
            thread.spawn(move || run(&queue))?;
        }
        Ok(Self(jobs))
    }

    /// Has it read from now on, also while nobody polls for the answer; none comes from a read that
    /// panicked.
    pub(super) fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> T + Send + 'static,
    ) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        let job = move || {
            if !answer.is_closed() {
                // Whoever has gone away meanwhile needs no answer.
                let _ = answer.send(read());
            }
        };
        let _ = self.0.send(Box::new(job));
        answered
    }
}

fn run(queue: &Mutex<Receiver<Job>>) {
    loop {
        // One thread waits with the lock, the others for it.
        let Ok(job) = queue.lock().recv() else {
            return;
        };
        // The engine meets some damage with a panic.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn more_reads_than_threads_are_all_answered() {
        let readers = Readers::start().unwrap();
        let reads: Vec<_> = (0..10 * THREADS).map(|n| readers.read(move || n)).collect();
        for (n, read) in reads.into_iter().enumerate() {
            assert_eq!(read.await.unwrap(), n);
        }
    }

    #[tokio::test]
    async fn a_read_that_panics_is_not_answered_and_the_next_is() {
        let readers = Readers::start().unwrap();
        for _ in 0..2 * THREADS {
            let read = readers.read(|| panic!("as the engine may"));
            assert!(read.await.is_err());
        }
        assert_eq!(readers.read(|| 1).await, Ok(1));
    }

    #[tokio::test]
    async fn what_nobody_waits_for_is_not_read() {
        let readers = Readers::start().unwrap();
        let (go, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let held: Vec<_> = (0..THREADS)
            .map(|_| {
                let gate = Arc::clone(&gate);
                readers.read(move || gate.lock().recv().is_ok())
            })
            .collect();
        let (told, heard) = mpsc::channel();
        drop(readers.read(move || told.send(())));
        for _ in 0..THREADS {
            go.send(()).unwrap();
        }
        for read in held {
            assert!(read.await.unwrap());
        }
        assert_eq!(readers.read(|| 1).await, Ok(1));
        assert!(heard.recv().is_err(), "it was read, or waits still");
    }
}
