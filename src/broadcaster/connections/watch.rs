//! Notices a disconnect without polling the stream.

use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use crate::broadcaster::shard::{Shard, sender_indexes::SenderIndex};

/// Notices that an operator ends a stream. It may outlive the stream, and is never ready after that.
pub struct DisconnectWatch {
    pub(super) shard: Arc<Shard>,
    pub(super) index: SenderIndex,
    pub(super) serial: u32,
}

impl DisconnectWatch {
    /// Ready once an operator has ended the stream. Otherwise the task is woken when that happens; of several tasks,
    /// the one that polled last.
    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.shard
            .poll_disconnected(self.index, self.serial, cx.waker())
    }
}

impl fmt::Debug for DisconnectWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DisconnectWatch").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicBool, Ordering},
        task::{Wake, Waker},
    };

    use super::*;
    use crate::{
        Broadcaster, Memory, Options, Selector, Start,
        broadcaster::{ConnectionFilter, ConnectionId, EncodedStream, Peer, Transport},
        encoding::Json,
        history::Retention,
    };

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    fn start(keeps_connections: bool) -> Broadcaster {
        let options = Options::default().connections(keeps_connections);
        Broadcaster::start(Memory::new(Retention::default()), options).unwrap()
    }

    fn open(broadcaster: &Broadcaster) -> EncodedStream {
        let selector = Selector::topics(&["a"]).unwrap();
        let subscription = broadcaster.subscribe(selector, Start::Live).unwrap();
        subscription.describe(Peer::new(Transport::Sse));
        subscription.encoded(&Json)
    }

    fn only(broadcaster: &Broadcaster) -> ConnectionId {
        let page = broadcaster.connections(&ConnectionFilter::default(), None, 2);
        assert_eq!(page.found.len(), 1);
        page.found[0].id
    }

    #[tokio::test]
    async fn a_watch_is_woken_by_the_disconnect_of_its_own_stream_alone() {
        let broadcaster = start(true);
        let stream = open(&broadcaster);
        let watch = stream.disconnect_watch().unwrap();
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut cx = Context::from_waker(&waker);
        assert!(watch.poll(&mut cx).is_pending());

        assert!(broadcaster.disconnect(only(&broadcaster)));
        assert!(woken.0.swap(false, Ordering::SeqCst));
        assert!(watch.poll(&mut cx).is_ready());

        drop(stream);
        let _next = open(&broadcaster);
        assert!(broadcaster.disconnect(only(&broadcaster)));
        assert!(!woken.0.load(Ordering::SeqCst));
        assert!(watch.poll(&mut cx).is_pending());
    }

    #[tokio::test]
    async fn there_is_no_watch_where_connections_are_not_kept() {
        let broadcaster = start(false);
        assert!(open(&broadcaster).disconnect_watch().is_none());
    }
}
