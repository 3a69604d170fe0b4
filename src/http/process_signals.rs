//! What signals make of a running server: none of those that people send ends it in silence.

use std::io::{self, IsTerminal as _};

use rustix::process::Signal as Number;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::server::Shutdown;

/// Without a meaning here, and fatal unless they are caught. With XFSZ caught, a write beyond the
/// limit of file sizes fails as one to a full disk does.
const IGNORED: [(Number, &str); 7] = [
    (Number::USR1, "SIGUSR1"),
    (Number::USR2, "SIGUSR2"),
    (Number::ALARM, "SIGALRM"),
    (Number::VTALARM, "SIGVTALRM"),
    (Number::PROF, "SIGPROF"),
    (Number::IO, "SIGIO"),
    (Number::XFSZ, "SIGXFSZ"),
];

/// Those that end the server, and how.
const ENDINGS: [(Number, &str, Shutdown); 5] = [
    (Number::TERM, "SIGTERM", Shutdown::Delayed),
    (Number::POWER, "SIGPWR", Shutdown::Delayed),
    (Number::INT, "SIGINT", Shutdown::Now),
    (Number::QUIT, "SIGQUIT", Shutdown::Now),
    (Number::XCPU, "SIGXCPU", Shutdown::Now),
];

/// Listens from here on: none is missed that comes before this is awaited.
pub(super) fn shutdown() -> impl Future<Output = Shutdown> {
    let mut endings =
        ENDINGS.map(|(number, name, how)| (catch(number), format!("received {name}"), how));
    let mut hangups = Hangups::new();
    async move {
        let ending = std::future::poll_fn(|context| {
            for (signal, name, how) in &mut endings {
                if signal
                    .as_mut()
                    .is_some_and(|signal| signal.poll_recv(context).is_ready())
                {
                    return std::task::Poll::Ready((name.clone(), *how));
                }
            }
            std::task::Poll::Pending
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
pub(super) async fn ignore() {
    let mut ignored = IGNORED.map(|(number, name)| (catch(number), name));
    std::future::poll_fn(|context| {
        for (signal, name) in &mut ignored {
            while signal
                .as_mut()
                .is_some_and(|signal| signal.poll_recv(context).is_ready())
            {
                log::info!(
                    "ignored {name}; SIGHUP reads the key file again, SIGTERM ends the server"
                );
            }
        }
        std::task::Poll::<()>::Pending
    })
    .await;
}

fn catch(number: Number) -> Option<Signal> {
    signal(SignalKind::from_raw(number.as_raw())).ok()
}

/// SIGHUP: by hand to read the key file again, or from a terminal that is closed.
pub(super) struct Hangups {
    signal: Option<Signal>,
    had_terminal: bool,
}

impl Hangups {
    pub(super) fn new() -> Self {
        Self {
            signal: catch(Number::HUP),
            had_terminal: has_terminal(),
        }
    }

    /// The next that was sent by hand.
    pub(super) async fn asked(&mut self) {
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
