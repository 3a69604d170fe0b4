//! Waiting on threads that are not async.

use std::{
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
};

use tokio::{
    runtime::Handle,
    task::coop::{RestoreOnPending, poll_proceed},
};

/// More steps than Tokio lets a task take before it has to yield.
const MORE_THAN_A_BUDGET: usize = 256;

/// Whether this thread may wait: one without a runtime, or one of a runtime that was made for that, as
/// those of `tokio::task::spawn_blocking` and `block_in_place` are.
pub(super) fn may_block() -> bool {
    Handle::try_current().is_err() || !has_budget()
}

/// Whether a task is being polled. Tokio has no question for it, but it gives each poll a budget of
/// steps, and none to a thread that may block. What is taken is given back.
fn has_budget() -> bool {
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    let waker = Waker::from(Arc::new(Nobody));
    let mut cx = Context::from_waker(&waker);
    let mut taken: Vec<RestoreOnPending> = Vec::with_capacity(MORE_THAN_A_BUDGET);
    let has_end = loop {
        match poll_proceed(&mut cx) {
            Poll::Pending => break true,
            Poll::Ready(_) if taken.len() >= MORE_THAN_A_BUDGET => break false,
            Poll::Ready(step) => taken.push(step),
        }
    };
    // Each step restores the budget from before it, so the first is dropped last.
    while taken.pop().is_some() {}
    has_end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_where_a_task_is_polled_a_thread_may_not_block() {
        assert!(may_block(), "without a runtime");
        let several = tokio::runtime::Builder::new_multi_thread().build().unwrap();
        let single = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        for runtime in [&several, &single] {
            assert!(!runtime.block_on(async { may_block() }));
            assert!(
                !runtime.block_on(async { tokio::spawn(async { may_block() }).await.unwrap() })
            );
            assert!(
                runtime.block_on(async { tokio::task::spawn_blocking(may_block).await.unwrap() })
            );
            let _entered = runtime.enter();
            assert!(may_block(), "where a runtime was only entered");
        }
        let in_place = several.spawn(async { tokio::task::block_in_place(may_block) });
        assert!(several.block_on(in_place).unwrap());
    }

    #[test]
    fn a_task_that_is_asked_keeps_its_budget() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            for _ in 0..1_000 {
                assert!(!may_block());
                assert!(tokio::task::coop::has_budget_remaining());
            }
        });
    }
}
