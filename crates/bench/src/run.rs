//! The stages of a run: open, warm up, publish, wait for what is late.

use std::{
    io, process,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{
    crowd::{Crowd, Share},
    foreign_events,
    format::count,
    lanes::{Outcome, Plan},
    ledger::Ledger,
    limits,
    mark::RunId,
    measured::Measured,
    process::{Processes, Used},
    progress::Progress,
    publishers::{Publishers, When},
    report::Report,
    settings::{Bench, Servers, size},
    shared::{Shared, Stage, nanos},
    tally::Tally,
    timeline::{Steps, step},
    usage::{Meter, Usage},
};
use sse_broadcaster_cli::{Defaults, Failure, complain, on_end};

/// Subscribers that may be opening at a time.
const OPENING_AT_ONCE: usize = 256;
/// Streams are idle when nothing has come on any of them for so long; they are given so long to be it.
const QUIET: Duration = Duration::from_millis(200);
const QUIET_LIMIT: Duration = Duration::from_secs(3);
/// How long to wait until every subscriber has seen an event of the warm-up.
const WARM_UP_LIMIT: Duration = Duration::from_secs(5);
/// What is late is waited for until nothing has come for so long, and at most so long.
const LATE_QUIET: Duration = Duration::from_secs(2);
const LATE_LIMIT: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(20);

type Thread<T> = JoinHandle<io::Result<T>>;

struct Run<'a> {
    bench: &'a Bench,
    max_events: u64,
    servers: &'a Servers,
    shared: Arc<Shared>,
    step: Duration,
    progress: Progress,
    server: Meter,
    client: Meter,
}

pub(super) fn measure(bench: &Bench, defaults: &Defaults) -> Result<Report, Failure> {
    let servers = Servers::find(bench, defaults)?;
    let max_events = foreign_events::admit(bench, &servers.publish_target)?;
    let shared = Arc::new(Shared::new(
        RunId::new(fastrand::u64(..)),
        Ledger::new(size(bench.publishers), size(bench.topics)),
    ));
    let at_signal = shared.clone();
    on_end(move || {
        // What has been measured is still reported; who insists does not wait for that.
        if at_signal.is_stopped.swap(true, Relaxed) {
            process::exit(130);
        }
    })?;
    let mut run = Run {
        bench,
        max_events,
        servers: &servers,
        shared: shared.clone(),
        step: step(bench.duration, bench.rate.rate()),
        progress: Progress::new(),
        server: Meter::new(servers.processes.clone()),
        client: Meter::new(Some(Processes::own())),
    };
    let began = Instant::now();
    let crowds = run.open()?;
    let opening = began.elapsed();
    run.settle();
    let published = run.publish()?;
    shared.enter(Stage::Over);
    let mut tally = Tally::new(Steps::new(run.step));
    for crowd in crowds {
        tally.add(&join(crowd)?);
    }
    tally.steps.add(&published.steps);
    let measured = Measured {
        opening,
        server: run.server.finish(),
        client: run.client.finish().map(|(_, usage)| usage),
        tally,
        published,
        shared,
    };
    drop(run.progress);
    Ok(Report::new(bench, &servers, &measured))
}

impl Run<'_> {
    /// Opens as many as this machine allows.
    fn open(&mut self) -> Result<Vec<Thread<Tally>>, Failure> {
        let asked = size(self.bench.subscribers);
        let open_files = sse_broadcaster_cli::open_files::raise_limit();
        let most = limits::most_subscribers(open_files, size(self.bench.publishers));
        let all = asked.min(most);
        if all < asked {
            let why = limits::why_no_more_files(open_files);
            let mut not_opened = self.shared.not_opened.lock();
            not_opened.add(&why, (asked - all) as u64);
        }
        self.meter(|usage| &mut usage.before);
        let threads = size(self.bench.threads());
        let requests = self.servers.subscribe_requests(&self.bench.topic_names());
        let crowds = (0..threads).map(|number| {
            let share = Share {
                count: all.saturating_sub(number).div_ceil(threads),
                first: number,
                step: threads,
                at_once: OPENING_AT_ONCE.div_ceil(threads),
                lanes: size(self.bench.publishers),
                requests: requests.clone(),
            };
            let (shared, place) = (self.shared.clone(), self.servers.subscribe.clone());
            let crowd = Crowd::new(shared, place, share, Steps::new(self.step));
            spawn("subscribers", move || crowd.and_then(Crowd::run))
        });
        let crowds = crowds.collect::<Result<_, _>>()?;
        self.wait_while(|run| {
            run.progress.opening(&run.shared, all as u64);
            run.shared.tried.load(Relaxed) < all && !run.shared.is_stopped()
        });
        self.say_what_is_not_open();
        Ok(crowds)
    }

    fn say_what_is_not_open(&self) {
        let not_opened = self.shared.not_opened.lock().clone();
        let open = self.shared.open.load(Relaxed) as u64;
        if open == 0 || not_opened.count() == 0 {
            return;
        }
        let whys: Vec<_> = not_opened
            .sorted()
            .into_iter()
            .map(|(why, _)| why)
            .collect();
        let line = format!(
            "opened {} of {}: {}",
            count(open),
            count(self.bench.subscribers),
            whys.join("; ")
        );
        self.progress.aside(|| complain(&line));
    }

    /// Waits until the streams are idle, to see what they take then.
    fn settle(&mut self) {
        let began = self.shared.now();
        self.wait_while(|run| {
            let shared = &run.shared;
            let last = shared.last_read.load(Relaxed).max(began);
            let now = shared.now();
            now < last + nanos(QUIET) && now < began + nanos(QUIET_LIMIT) && !shared.is_stopped()
        });
        self.meter(|usage| &mut usage.idle);
        self.meter(|usage| &mut usage.at_start);
    }

    fn publish(&mut self) -> Result<Outcome, Failure> {
        let shared = self.shared.clone();
        if shared.open.load(Relaxed) == 0 || shared.is_stopped() {
            self.meter(|usage| &mut usage.published);
            self.meter(|usage| &mut usage.at_end);
            return Ok(Outcome::new(Steps::new(self.step)));
        }
        let thread = self.warm_up()?;
        self.wait_while(|run| {
            run.progress.publishing(&shared, run.bench.duration);
            !thread.is_finished()
        });
        self.meter(|usage| &mut usage.published);
        shared.enter(Stage::Waiting);
        self.wait_for_the_late();
        self.meter(|usage| &mut usage.at_end);
        let outcome = join(thread)?;
        if outcome.is_bounded {
            let most = count(self.max_events);
            let line = format!("ended after {most} events; --max-events sets another bound");
            self.progress.aside(|| complain(&line));
        }
        Ok(outcome)
    }

    /// Returns when the thread that publishes has begun the run, or has found that it cannot.
    fn warm_up(&mut self) -> Result<Thread<Outcome>, Failure> {
        let (bench, shared) = (self.bench, self.shared.clone());
        shared.enter(Stage::WarmUp);
        let plan = Plan {
            place: self.servers.publish.clone(),
            heads: self.servers.publish_heads(&bench.topic_names(), bench.size),
            size: size(bench.size),
            lanes: size(bench.publishers),
        };
        let when = When {
            pace: bench.rate,
            duration: bench.duration,
            max_events: self.max_events,
        };
        let publishers = Publishers::new(shared.clone(), plan, when, Steps::new(self.step));
        let thread = spawn("publishers", move || publishers.and_then(Publishers::run))?;
        let began = Instant::now();
        self.wait_while(|run| {
            run.progress.warming_up(&run.shared);
            let all_are_warm = shared.warm.load(Relaxed) >= shared.open.load(Relaxed);
            let is_over = all_are_warm || began.elapsed() > WARM_UP_LIMIT;
            !is_over && !shared.is_stopped() && !thread.is_finished()
        });
        self.meter(|usage| &mut usage.at_start);
        let is_to_end = thread.is_finished() || shared.is_stopped();
        shared.enter(if is_to_end {
            Stage::Waiting
        } else {
            Stage::Publishing
        });
        Ok(thread)
    }

    fn wait_for_the_late(&mut self) {
        let began = self.shared.now();
        self.wait_while(|run| {
            let shared = &run.shared;
            run.progress.waiting(shared);
            let last = shared.last_delivered.load(Relaxed).max(began);
            let has_all = shared.delivered.load(Relaxed) >= shared.possible.load(Relaxed);
            // Where all have come, they may still come twice.
            let quiet = if has_all { QUIET } else { LATE_QUIET };
            let now = shared.now();
            now < last + nanos(quiet) && now < began + nanos(LATE_LIMIT)
        });
    }

    fn wait_while(&mut self, mut condition: impl FnMut(&mut Self) -> bool) {
        while condition(self) {
            thread::sleep(LOOK_EVERY);
        }
    }

    fn meter(&mut self, turn: impl Fn(&mut Usage) -> &mut Used) {
        self.server.read(&turn);
        self.client.read(&turn);
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<Thread<T>, Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| Failure::new(format!("a thread: {error}")))
}

fn join<T>(thread: Thread<T>) -> Result<T, Failure> {
    match thread.join() {
        Ok(done) => done.map_err(|error| Failure::new(error.to_string())),
        Err(_) => Err(Failure::new("a thread has failed")),
    }
}
