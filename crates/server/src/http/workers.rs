//! The worker threads: each has a runtime of its own, and serves on every listener.

mod port;
mod ports;
mod pulse;

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::{
    sync::{oneshot, watch},
    task::LocalSet,
};

use self::port::Port;
pub(crate) use self::pulse::Pulses;
use crate::{
    config::Config,
    http::{
        connection::limits::Connections,
        listen::{Listeners, UnixSocket},
        routes::status::Status,
        tls::Tls,
    },
};
use sse_broadcaster_actix::AppState;
use sse_broadcaster_mercure::Hub;

pub(crate) fn count(config: &Config) -> usize {
    let cores = || std::thread::available_parallelism().map_or(2, Into::into);
    config.workers.map_or_else(cores, usize::from)
}

/// The worker threads.
pub(crate) struct Workers {
    threads: Vec<JoinHandle<()>>,
    stop: watch::Sender<bool>,
    pulses: Pulses,
    /// Their files are removed when these are dropped.
    _sockets: Vec<UnixSocket>,
}

impl Workers {
    /// Starts the threads, which serve on these listeners.
    pub(crate) async fn start(
        listeners: Listeners,
        config: &Config,
        connections: Connections,
        (state, hub): (&AppState, Option<Arc<Hub>>),
        status: &Arc<Status>,
        tls: Option<&Tls>,
    ) -> io::Result<Self> {
        let served = (state, hub);
        let (ports, sockets) = ports::open(listeners, config, connections, served, status, tls)?;
        let (stop, stopped) = watch::channel(false);
        let (mut threads, mut starting) = (Vec::new(), Vec::new());
        let mut pulses = Pulses::default();
        for index in 0..count(config) {
            let (started, start) = oneshot::channel();
            let (ports, stopped) = (ports.clone(), stopped.clone());
            let requests = pulses.add();
            let work = move || work(index, ports, requests, started, stopped);
            let name = format!("worker-{index}");
            threads.push(thread::Builder::new().name(name).spawn(work)?);
            starting.push(start);
        }
        let workers = Self {
            threads,
            stop,
            pulses,
            _sockets: sockets,
        };
        for start in starting {
            start.await.map_err(io::Error::other)??;
        }
        Ok(workers)
    }

    pub(crate) fn pulses(&self) -> Pulses {
        self.pulses.clone()
    }

    /// Ends the threads and every connection.
    pub(crate) async fn stop(self) {
        self.stop.send_replace(true);
        let threads = self.threads;
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                // A panic has been printed already.
                let _ = thread.join();
            }
        });
        drop(joined.await);
    }
}

/// The thread of one worker.
fn work(
    index: usize,
    ports: Vec<Port>,
    requests: pulse::Requests,
    started: oneshot::Sender<io::Result<()>>,
    mut stopped: watch::Receiver<bool>,
) {
    let runtime = match tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return drop(started.send(Err(error))),
    };
    LocalSet::new().block_on(&runtime, async move {
        for port in ports {
            if let Err(error) = port.serve(index).await {
                return drop(started.send(Err(error)));
            }
        }
        actix_web::rt::spawn(pulse::respond(requests));
        let _ = started.send(Ok(()));
        // An error is the end as well: the sender is gone.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    });
}
