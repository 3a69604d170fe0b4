use std::{fmt, marker::PhantomData, time::Duration};

use futures_util::stream::{Stream, StreamExt as _};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{ClientState, Condition, SignalError, SignalFormat, SignalName, Signals, Written};
use sse_broadcaster::{
    broadcaster::{Broadcaster, EncodedStream},
    event::Invalid,
};

/// When a value of a stream that could not be written now is tried again.
const FOLLOW_RETRY: Duration = Duration::from_secs(1);

/// One signal, as a value of the program's own type. A handle: clones are the same signal, and so are all
/// of one name on one history.
///
/// ```
/// use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
/// use sse_broadcaster_signals::Signal;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let broadcaster = Broadcaster::start(Memory::new(Retention::default()), Options::default())?;
/// let counter = Signal::new(&broadcaster, "counter", 0_u64).await?;
/// counter.update(|n| *n += 1).await?;
/// assert_eq!(counter.get().await?, 1);
/// # Ok(())
/// # }
/// ```
pub struct Signal<T> {
    signals: Signals,
    name: SignalName,
    of: PhantomData<fn(T) -> T>,
}

impl<T: Serialize> Signal<T> {
    /// The signal of this name, with `initial` as its value if it has none yet.
    ///
    /// # Errors
    /// `invalid_signal` for a name that cannot be; see [`SignalError`].
    pub async fn new(
        broadcaster: &Broadcaster,
        name: &str,
        initial: T,
    ) -> Result<Self, SignalError> {
        Self::of(&Signals::new(broadcaster), name, initial).await
    }

    /// The same, of signals that others use as well.
    ///
    /// # Errors
    /// As [`new`](Self::new).
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

    /// Under which subscribers read it.
    #[must_use]
    pub fn name(&self) -> &SignalName {
        &self.name
    }

    /// Makes this the value, and publishes the change if it is one.
    ///
    /// # Errors
    /// See [`SignalError`].
    pub async fn set(&self, value: &T) -> Result<Written, SignalError> {
        let value = to_value(value)?;
        self.signals
            .set(&self.name, &Condition::default(), value)
            .await
    }

    /// The same, from a thread that may wait: one that is not async, or that of
    /// `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    /// As [`set`](Self::set), and [`SignalError::WouldBlock`] in an async context.
    pub fn set_blocking(&self, value: &T) -> Result<Written, SignalError> {
        self.block_on(self.set(value))
    }

    /// Takes over each value of a stream, until it ends. While history cannot be reached the stream
    /// waits, and the value is tried again.
    ///
    /// # Errors
    /// Of a value that cannot be written at any time: see [`SignalError`].
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

    /// A stream of this signal alone.
    ///
    /// # Errors
    /// See [`SignalError`].
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
    /// The value that was written last.
    ///
    /// # Errors
    /// [`Missing`](SignalError::Missing) when it was removed, [`Type`](SignalError::Type) when another
    /// program wrote what is no `T`; see [`SignalError`].
    pub async fn get(&self) -> Result<T, SignalError> {
        let document = self.signals.get(&self.name).await?;
        from_value(document.map(|document| document.value).as_ref())
    }

    /// Changes the value, and publishes the change if it is one. `change` may be called more than once:
    /// once more for each write of another program that was faster, with what that wrote.
    ///
    /// # Errors
    /// As [`get`](Self::get) and [`set`](Self::set).
    pub async fn update(&self, mut change: impl FnMut(&mut T)) -> Result<Written, SignalError> {
        let changed = |old: Option<&Value>| {
            let mut value = from_value(old)?;
            change(&mut value);
            to_value(&value).map(Some)
        };
        let condition = Condition::default();
        self.signals.write(&self.name, &condition, changed).await
    }

    /// The same, from a thread that may wait: one that is not async, or that of
    /// `tokio::task::spawn_blocking`.
    ///
    /// # Errors
    /// As [`update`](Self::update), and [`SignalError::WouldBlock`] in an async context.
    pub fn update_blocking(&self, change: impl FnMut(&mut T)) -> Result<Written, SignalError> {
        self.block_on(self.update(change))
    }
}

fn to_value<T: Serialize>(value: &T) -> Result<Value, SignalError> {
    serde_json::to_value(value).map_err(|error| {
        let detail = format!("the value has no form in JSON: {error}");
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
