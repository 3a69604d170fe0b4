//! Whose request is asked of the application next. The addresses of clients take turns, so that one that sends many
//! different cookies does not hold up the others.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use parking_lot::Mutex;
use tokio::sync::oneshot;

/// A number of requests at a time, and those that wait.
pub(super) struct Turns {
    waiting: Mutex<Waiting>,
    max_of_address: usize,
}

struct Waiting {
    free: usize,
    /// Those of one address in the order in which they came. The first address is the next.
    addresses: VecDeque<(Option<IpAddr>, VecDeque<oneshot::Sender<Turn>>)>,
}

/// One of the requests at a time, until it is dropped.
pub(super) struct Turn(Option<Arc<Turns>>);

impl Turns {
    /// So many at a time, while at most so many of one address wait.
    pub(super) fn new(concurrency: usize, max_of_address: usize) -> Arc<Self> {
        Arc::new(Self {
            waiting: Mutex::new(Waiting {
                free: concurrency,
                addresses: VecDeque::new(),
            }),
            max_of_address,
        })
    }

    /// Waits for a turn; `None` where too many of this address wait already. Dropping the future gives it up.
    pub(super) async fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Turn> {
        let turn = {
            let mut waiting = self.waiting.lock();
            if waiting.free > 0 {
                waiting.free -= 1;
                return Some(Turn(Some(Arc::clone(self))));
            }
            let (sender, turn) = oneshot::channel();
            let of_address = waiting.of(address);
            if of_address.len() >= self.max_of_address {
                of_address.retain(|waiting| !waiting.is_closed());
            }
            if of_address.len() >= self.max_of_address {
                return None;
            }
            of_address.push_back(sender);
            turn
        };
        turn.await.ok()
    }

    /// Gives a turn that has ended to the next that still waits.
    fn pass_on(self: Arc<Self>) {
        let mut turn = Turn(Some(Arc::clone(&self)));
        loop {
            let next = {
                let mut waiting = self.waiting.lock();
                let next = waiting.next();
                if next.is_none() {
                    waiting.free += 1;
                }
                next
            };
            let Some(next) = next else {
                turn.0 = None;
                return;
            };
            match next.send(turn) {
                Ok(()) => return,
                Err(unwanted) => turn = unwanted,
            }
        }
    }
}

impl Waiting {
    fn of(&mut self, address: Option<IpAddr>) -> &mut VecDeque<oneshot::Sender<Turn>> {
        let known = self.addresses.iter().position(|(of, _)| *of == address);
        let at = known.unwrap_or_else(|| {
            self.addresses.push_back((address, VecDeque::new()));
            self.addresses.len() - 1
        });
        &mut self.addresses[at].1
    }

    fn next(&mut self) -> Option<oneshot::Sender<Turn>> {
        let (address, mut waiting) = self.addresses.pop_front()?;
        let next = waiting.pop_front();
        if !waiting.is_empty() {
            self.addresses.push_back((address, waiting));
        }
        next
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(turns) = self.0.take() {
            turns.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, net::Ipv4Addr, task::Poll};

    use futures_util::FutureExt as _;

    use super::*;

    const ONE: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
    const OTHER: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2)));

    async fn is_waiting(turn: &mut (impl Future<Output = Option<Turn>> + Unpin)) -> bool {
        poll_fn(|cx| Poll::Ready(turn.poll_unpin(cx).is_pending())).await
    }

    #[tokio::test]
    async fn an_address_with_many_requests_holds_up_no_other() {
        let turns = Turns::new(1, 10);
        let first = turns.take(ONE).await.unwrap();
        let mut many: Vec<_> = (0..10).map(|_| turns.take(ONE).boxed()).collect();
        for waiting in &mut many {
            assert!(is_waiting(waiting).await);
        }
        let mut other = turns.take(OTHER).boxed();
        assert!(is_waiting(&mut other).await);
        assert!(turns.take(ONE).await.is_none());
        drop(first);
        let second = many.remove(0).await.unwrap();
        assert!(is_waiting(&mut other).await);
        drop(second);
        assert!(other.now_or_never().flatten().is_some());
    }

    #[tokio::test]
    async fn a_turn_passes_over_those_that_no_longer_wait() {
        let turns = Turns::new(1, 2);
        let first = turns.take(ONE).await.unwrap();
        for _ in 0..5 {
            let mut gone = turns.take(ONE).boxed();
            assert!(is_waiting(&mut gone).await);
        }
        let mut last = turns.take(ONE).boxed();
        assert!(is_waiting(&mut last).await);
        drop(first);
        drop(last.await.unwrap());
        assert!(turns.take(None).now_or_never().flatten().is_some());
    }
}
