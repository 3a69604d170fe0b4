//! What signals make of a running server: none of those that people send ends it in silence.

use std::{
    io::{self, IsTerminal as _},
    ops::RangeInclusive,
    task::{Context, Poll},
};

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How the server is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shutdown {
    /// Go on for the drain delay, then drain.
    Delayed,
    /// Drain at once.
    Now,
}

/// Without a meaning here, and fatal unless they are caught, as are the real-time signals. With XFSZ caught,
/// a write beyond the limit of file sizes fails as one to a full disk does.
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

/// Those that end the server, and how.
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

/// Each with its distance from the first. The numbers are the C library's: it keeps some for itself.
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

/// A signal that is listened for, and its name.
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

    fn has_come(&mut self, context: &mut Context<'_>) -> bool {
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

/// Listens from here on: none is missed that comes before this is awaited.
pub(crate) fn shutdown() -> impl Future<Output = Shutdown> {
    let mut endings = endings();
    let mut hangups = Hangups::new();
    async move {
        let ending = std::future::poll_fn(|context| {
            let mut come = endings
                .iter_mut()
                .filter_map(|(caught, how)| caught.has_come(context).then_some((caught, *how)));
            come.next().map_or(Poll::Pending, |(caught, how)| {
                Poll::Ready((format!("received {}", caught.name), how))
            })
        });
        let (why, how) = tokio::select! {
            ending = ending => ending,
            () = hangups.lost() => ("the terminal was closed".to_owned(), Shutdown::Now),
        };
        log::info!("{why}");
        how
    }
}

/// Logs each of those that have no meaning, for as long as it is polled.
pub(crate) async fn ignore() {
    let mut ignored = ignored();
    std::future::poll_fn(|context| {
        for caught in &mut ignored {
            while caught.has_come(context) {
                log::info!(
                    "ignored {}; SIGHUP reads the key file again, SIGTERM ends the server",
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

/// SIGHUP: by hand to read the key file again, or from a terminal that is closed.
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

    /// The next that was sent by hand.
    pub(crate) async fn asked(&mut self) {
        while self.next().await {}
    }

    async fn lost(&mut self) {
        while !self.next().await {}
    }

    /// Whether the terminal that the server was started in is gone.
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
