use std::{fmt, marker::PhantomData, time::Duration};

use futures_util::stream::{Stream, StreamExt as _};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{ClientState, Condition, SignalError, SignalFormat, SignalName, Signals, Written};
use sse_broadcaster::{
    broadcaster::{Broadcaster, EncodedStream},
    event::Invalid,
};

/// How long `follow` waits before it retries a value.
const FOLLOW_RETRY: Duration = Duration::from_secs(1);

/// One signal, as a value of a type of your own. A handle: clones are the same signal, and so are all of one
/// name on one history.
///
/// The bounds are those of [the crate](crate): a value whose JSON is longer or nested deeper is an error.
///
/// # Cancellation
/// A write whose future is dropped may or may not have been done: [`get`](Self::get) tells.
///
/// ```
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_signals::Signal;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let counter = Signal::new(&broadcaster, "counter", 0_u64).await?;
/// counter.set(&7).await?;
/// counter.update(|n| *n += 1).await?;
/// assert_eq!(counter.get().await?, 8);
///
/// // A value that is the same publishes nothing.
/// assert_eq!(counter.set(&8).await?.published, None);
/// # Ok(())
/// # }
/// ```
pub struct Signal<T> {
    signals: Signals,
    name: SignalName,
    of: PhantomData<fn(T) -> T>,
}

impl<T: Serialize> Signal<T> {
    /// The signal of this name, with `initial` as its value if it has none yet. A value that it has already
    /// stays, whatever its type: [`get`](Self::get) checks that.
    ///
    /// # Errors
    /// `invalid_signal` for a name that is not valid, `invalid_value` for a value that JSON cannot express; see
    /// [`SignalError`].
    pub async fn new(
        broadcaster: &Broadcaster,
        name: &str,
        initial: T,
    ) -> Result<Self, SignalError> {
        Self::of(&Signals::new(broadcaster), name, initial).await
    }

    /// The same as [`new`](Self::new), with [`Signals`] that are shared.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub async fn of(signals: &Signals, name: &str, initial: T) -> Result<Self, SignalError> {
        let name = SignalName::new(name)?;
        let initial = to_value(&initial)?;
        let keep = |old: Option<&Value>| Ok(Some(old.unwrap_or(&initial).clone()));
        signals.write(&name, &Condition::default(), keep).await?;
        Ok(Self {
            signals: signals.clone(),
            name,
            of: PhantomData,
        })
    }

    /// The name by which clients subscribe to it.
    #[must_use]
    pub fn name(&self) -> &SignalName {
        &self.name
    }

    /// Sets the value, and publishes the change if there is one.
    ///
    /// # Errors
    /// Those of [`Signals::set`], and `invalid_value` for a value that JSON cannot express.
    pub async fn set(&self, value: &T) -> Result<Written, SignalError> {
        let value = to_value(value)?;
        self.signals
            .set(&self.name, &Condition::default(), value)
            .await
    }

    /// [`set`](Self::set) for a thread that may block: one outside of the runtime, or one of
    /// `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    /// Those of [`set`](Self::set), and [`SignalError::WouldBlock`] in an async context.
    pub fn set_blocking(&self, value: &T) -> Result<Written, SignalError> {
        self.block_on(self.set(value))
    }

    /// Sets each value of a stream, in order, until the stream ends. While history is unreachable or
    /// overloaded, the value is retried every second, and the stream is not polled.
    ///
    /// # Errors
    /// Those of [`set`](Self::set) that are not [temporary](SignalError::is_temporary): the stream is then
    /// dropped.
    ///
    /// ```
    /// # use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
    /// # use sse_broadcaster_signals::Signal;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
    /// let counter = Signal::new(&broadcaster, "counter", 0).await?;
    /// counter.follow(futures_util::stream::iter(1..=3)).await?;
    /// assert_eq!(counter.get().await?, 3);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn follow(&self, values: impl Stream<Item = T>) -> Result<(), SignalError> {
        let mut values = std::pin::pin!(values);
        while let Some(value) = values.next().await {
            while let Err(why) = self.set(&value).await {
                if !why.is_temporary() {
                    return Err(why);
                }
                tokio::time::sleep(FOLLOW_RETRY).await;
            }
        }
        Ok(())
    }

    /// A stream of this signal alone: its value whole, then each change. See [`Signals::subscribe`], which
    /// has an example.
    ///
    /// # Errors
    /// [`Subscribe`](SignalError::Subscribe) while no subscription is possible; `invalid_signal` where
    /// [`SignalFormat::Event`] cannot carry the name.
    pub fn subscribe(&self, format: SignalFormat) -> Result<EncodedStream, SignalError> {
        let names = std::slice::from_ref(&self.name);
        self.signals
            .subscribe(names, format, ClientState::default())
    }

    fn block_on<R>(
        &self,
        future: impl Future<Output = Result<R, SignalError>>,
    ) -> Result<R, SignalError> {
        let done = self.signals.broadcaster.block_on(future);
        done.unwrap_or(Err(SignalError::WouldBlock))
    }
}

impl<T: Serialize + DeserializeOwned> Signal<T> {
    /// The current value.
    ///
    /// # Errors
    /// [`Missing`](SignalError::Missing) where the signal was removed, [`Type`](SignalError::Type) where its
    /// document does not fit `T`, [`Unavailable`](SignalError::Unavailable) while history is unreachable.
    pub async fn get(&self) -> Result<T, SignalError> {
        let document = self.signals.get(&self.name).await?;
        from_value(document.map(|document| document.value).as_ref())
    }

    /// Changes the value, and publishes the change if there is one. No update is lost: `change` is called
    /// again, with the newer value, each time another writer was faster.
    ///
    /// # Errors
    /// Those of [`get`](Self::get) and of [`set`](Self::set).
    pub async fn update(&self, mut change: impl FnMut(&mut T)) -> Result<Written, SignalError> {
        let changed = |old: Option<&Value>| {
            let mut value = from_value(old)?;
            change(&mut value);
            to_value(&value).map(Some)
        };
        let condition = Condition::default();
        self.signals.write(&self.name, &condition, changed).await
    }

    /// [`update`](Self::update) for a thread that may block: one outside of the runtime, or one of
    /// `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    /// Those of [`update`](Self::update), and [`SignalError::WouldBlock`] in an async context.
    pub fn update_blocking(&self, change: impl FnMut(&mut T)) -> Result<Written, SignalError> {
        self.block_on(self.update(change))
    }
}

fn to_value<T: Serialize>(value: &T) -> Result<Value, SignalError> {
    serde_json::to_value(value).map_err(|error| {
        let detail = format!("the value cannot be written as JSON: {error}");
        SignalError::Invalid(Invalid::new("invalid_value", detail))
    })
}

fn from_value<T: DeserializeOwned>(value: Option<&Value>) -> Result<T, SignalError> {
    let value = value.ok_or(SignalError::Missing)?;
    T::deserialize(value).map_err(|error| SignalError::Type(error.to_string()))
}

impl<T> Clone for Signal<T> {
    fn clone(&self) -> Self {
        Self {
            signals: self.signals.clone(),
            name: self.name.clone(),
            of: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Signal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signal").field(&self.name.as_str()).finish()
    }
}
