//! Signals: those that end the server, SIGHUP, and the others, which are logged and ignored.

use std::{
    io::{self, IsTerminal as _},
    ops::RangeInclusive,
    task::{Context, Poll},
};

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How the server ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// It keeps serving for the drain delay, then drains.
    Delayed,
    /// It drains at once.
    Now,
}

/// Signals without a meaning here, which would end the process if they were not caught; the real-time signals
/// as well. With SIGXFSZ caught, a write beyond the limit of file sizes fails like one to a full disk.
const IGNORED: [(Number, &str); 8] = [
    (Number::USR1, "SIGUSR1"),
    (Number::USR2, "SIGUSR2"),
    (Number::ALARM, "SIGALRM"),
    (Number::VTALARM, "SIGVTALRM"),
    (Number::PROF, "SIGPROF"),
    (Number::IO, "SIGIO"),
    (Number::XFSZ, "SIGXFSZ"),
    (Number::STKFLT, "SIGSTKFLT"),
];

/// The signals that end the server, and how.
const ENDINGS: [(Number, &str, Shutdown); 5] = [
    (Number::TERM, "SIGTERM", Shutdown::Delayed),
    (Number::POWER, "SIGPWR", Shutdown::Delayed),
    (Number::INT, "SIGINT", Shutdown::Now),
    (Number::QUIT, "SIGQUIT", Shutdown::Now),
    (Number::XCPU, "SIGXCPU", Shutdown::Now),
];

/// The real-time signals by which container managers ask the first process of a container to halt, power
/// off, reboot or execute another kernel, as systemd defines them: SIGRTMIN+3 to SIGRTMIN+6.
const ENDING_REAL_TIME: RangeInclusive<i32> = 3..=6;

/// The real-time signals: number, distance from the first, and name. The C library reserves some, so that it
/// defines the first.
fn real_time() -> impl Iterator<Item = (i32, i32, String)> {
    let first = libc::SIGRTMIN();
    (first..=libc::SIGRTMAX()).map(move |number| {
        let distance = number - first;
        (
            number,
            distance,
            match distance {
                0 => "SIGRTMIN".to_owned(),
                distance => format!("SIGRTMIN+{distance}"),
            },
        )
    })
}

/// A caught signal and its name.
struct Caught {
    signal: Option<Signal>,
    name: String,
}

impl Caught {
    fn new(number: i32, name: impl Into<String>) -> Self {
        Self {
            signal: catch(number),
            name: name.into(),
        }
    }

    fn was_received(&mut self, context: &mut Context<'_>) -> bool {
        let signal = self.signal.as_mut();
        signal.is_some_and(|signal| signal.poll_recv(context).is_ready())
    }
}

fn endings() -> Vec<(Caught, Shutdown)> {
    let named = ENDINGS.map(|(number, name, how)| (Caught::new(number.as_raw(), name), how));
    let real_time = real_time().filter(|(_, distance, _)| ENDING_REAL_TIME.contains(distance));
    let real_time =
        real_time.map(|(number, _, name)| (Caught::new(number, name), Shutdown::Delayed));
    named.into_iter().chain(real_time).collect()
}

fn ignored() -> Vec<Caught> {
    let named = IGNORED.map(|(number, name)| Caught::new(number.as_raw(), name));
    let real_time = real_time().filter(|(_, distance, _)| !ENDING_REAL_TIME.contains(distance));
    let real_time = real_time.map(|(number, _, name)| Caught::new(number, name));
    named.into_iter().chain(real_time).collect()
}

/// Completes at a signal that ends the server. Signals are caught from the call on, not only once the future is
/// awaited.
pub(crate) fn shutdown() -> impl Future<Output = Shutdown> {
    let mut endings = endings();
    let mut hangups = Hangups::new();
    async move {
        let ending = std::future::poll_fn(|context| {
            let mut received = endings
                .iter_mut()
                .filter_map(|(caught, how)| caught.was_received(context).then_some((caught, *how)));
            received.next().map_or(Poll::Pending, |(caught, how)| {
                Poll::Ready((format!("received {}", caught.name), how))
            })
        });
        let (why, how) = tokio::select! {
            ending = ending => ending,
            () = hangups.terminal_closed() => ("the terminal was closed".to_owned(), Shutdown::Now),
        };
        log::info!("{why}");
        how
    }
}

/// Logs each ignored signal. Never completes.
pub(crate) async fn ignore() {
    let mut ignored = ignored();
    std::future::poll_fn(|context| {
        for caught in &mut ignored {
            while caught.was_received(context) {
                log::info!(
                    "ignored {}; SIGHUP reads the configuration file and the key files again, SIGTERM stops the server",
                    caught.name
                );
            }
        }
        Poll::<()>::Pending
    })
    .await;
}

fn catch(number: i32) -> Option<Signal> {
    signal(SignalKind::from_raw(number)).ok()
}

/// SIGHUP: sent to have the key files read again, or by a terminal that is closed.
pub(crate) struct Hangups {
    signal: Option<Signal>,
    had_terminal: bool,
}

impl Hangups {
    pub(crate) fn new() -> Self {
        Self {
            signal: catch(Number::HUP.as_raw()),
            had_terminal: has_terminal(),
        }
    }

    /// Completes at a SIGHUP while the terminal is open, or without one.
    pub(crate) async fn requested(&mut self) {
        while self.next().await {}
    }

    async fn terminal_closed(&mut self) {
        while !self.next().await {}
    }

    /// Awaits SIGHUP. True if the terminal that the server was started in is closed.
    async fn next(&mut self) -> bool {
        match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => std::future::pending().await,
        };
        self.had_terminal && !has_terminal()
    }
}

fn has_terminal() -> bool {
    io::stdin().is_terminal() || io::stderr().is_terminal()
}
