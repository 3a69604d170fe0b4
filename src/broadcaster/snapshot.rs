//! State that a stream is sent whole before the events that change it.

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::{event::EventId, history::Unavailable};

/// Where the state of one stream comes from. It is asked when the stream begins, resumed or not, and
/// behind every gap, so that no change is ever applied to a state that lacks the one before it.
///
/// # Examples
/// ```
/// use std::sync::Arc;
/// use futures_util::{FutureExt, StreamExt, future::BoxFuture};
/// use sse_broadcaster::{
///     Broadcaster, Event, Memory, Options, Selector,
///     broadcaster::{Item, Snapshot, Snapshots},
///     history::{Batch, Retain, Retention, Unavailable},
///     sse::Frame,
/// };
///
/// /// The value that is retained under `total`.
/// struct Total(Broadcaster);
///
/// impl Snapshots for Total {
///     fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
///         let broadcaster = self.0.clone();
///         async move {
///             let retained = broadcaster.retained(&["total"]).await?;
///             let total = retained.values.into_iter().flatten().map(|(total, _)| total);
///             let blocks = total.map(|total| Frame::block(None, &String::from_utf8_lossy(&total)));
///             Ok(Snapshot::last(retained.head, blocks.collect()))
///         }
///         .boxed()
///     }
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let added = Event::builder("+12").topic("total").build()?;
/// let batch = Batch::from(added).retain(Retain::new("total", Some("12".into())));
/// broadcaster.publish(batch).await?;
///
/// let total = Arc::new(Total(broadcaster.clone()));
/// let mut subscription = broadcaster.subscribe_to_state(Selector::topics(&["total"])?, total)?;
/// while let Some(item) = subscription.next().await {
///     if let Item::State(block) = item {
///         assert_eq!(block, "data: 12\n\n");
///         break;
///     }
/// }
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub trait Snapshots: Send + Sync + 'static {
    /// The state, whole, or the next part of it. Where it fails, the stream is cut, for its client to
    /// come back.
    fn take(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>>;

    /// The same where a `gap` was just sent: what the client holds may lack any change.
    fn take_behind_gap(&self) -> BoxFuture<'static, Result<Snapshot, Unavailable>> {
        self.take()
    }
}

/// State as of a position.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Snapshot {
    /// Of the last part, a position that history gave: each change up to it is in the state, and those
    /// after it are sent behind it, in order. Where some of these may be in the state, too, they must do
    /// no harm twice.
    pub at: EventId,
    /// Whole blocks of the event stream without ids, as [`Frame::block`](crate::sse::Frame::block)
    /// writes them. Each item is written by itself, and may hold several, or a piece of one.
    pub blocks: Vec<Bytes>,
    /// There is more, to be asked for once this has been written: a client that does not read pins one
    /// part alone. What changed meanwhile of parts that were sent is for a later part to tell.
    pub more: bool,
}

impl Snapshot {
    /// The whole state, or its last part.
    #[must_use]
    pub fn last(at: EventId, blocks: Vec<Bytes>) -> Self {
        Self {
            at,
            blocks,
            more: false,
        }
    }

    /// A part that others follow.
    #[must_use]
    pub fn part(at: EventId, blocks: Vec<Bytes>) -> Self {
        Self {
            at,
            blocks,
            more: true,
        }
    }
}
