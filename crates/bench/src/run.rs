//! The stages of a run: open subscribers, warm up, publish, wait for late deliveries.

use std::{
    io, process,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::{
    event_tracker::EventTracker,
    foreign_events,
    format::count,
    limits,
    marker::RunId,
    measurements::Measurements,
    progress::Progress,
    publish::{PublishPlan, PublishStats, Schedule, Scheduler},
    report::Report,
    run_state::{RunState, Stage, nanos},
    servers::Servers,
    settings::{Bench, size},
    subscribe::{DeliveryStats, GroupSettings, SubscriberGroup},
    timeline::{Timeline, step_length},
    usage::{ProcessUsage, Processes, StageUsage, UsageMeter},
};
use sse_broadcaster_cli::{Defaults, Failure, on_end, print_to_stderr};

/// How many subscribers may be opening at a time.
const OPENING_AT_ONCE: usize = 256;
/// Streams are idle once nothing has come on any of them for this long; they are waited for up to the limit.
const IDLE_AFTER: Duration = Duration::from_millis(200);
const IDLE_LIMIT: Duration = Duration::from_secs(3);
/// How long to wait until every subscriber has received an event of the warm-up.
const WARM_UP_LIMIT: Duration = Duration::from_secs(5);
/// Late deliveries are waited for until none has come for this long, and at most up to the limit.
const LATE_AFTER: Duration = Duration::from_secs(2);
const LATE_LIMIT: Duration = Duration::from_secs(60);
const POLL_INTERVAL: Duration = Duration::from_millis(20);

type Thread<T> = JoinHandle<io::Result<T>>;

struct Run<'a> {
    bench: &'a Bench,
    max_events: u64,
    servers: &'a Servers,
    state: Arc<RunState>,
    step: Duration,
    progress: Progress,
    server: UsageMeter,
    client: UsageMeter,
}

pub(crate) fn measure(bench: &Bench, defaults: &Defaults) -> Result<Report, Failure> {
    let servers = Servers::find(bench, defaults)?;
    let max_events = foreign_events::allowed_events(bench, &servers.publish_target)?;
    let state = Arc::new(RunState::new(
        RunId::new(fastrand::u64(..)),
        EventTracker::new(size(bench.publishers), size(bench.topics)),
    ));
    let at_signal = state.clone();
    on_end(move || {
        // The first signal ends the run with a report, the second ends the process.
        if at_signal.is_stopped.swap(true, Relaxed) {
            process::exit(130);
        }
    })?;
    let mut run = Run {
        bench,
        max_events,
        servers: &servers,
        state: state.clone(),
        step: step_length(bench.duration, bench.rate.rate()),
        progress: Progress::new(),
        server: UsageMeter::new(servers.processes.clone()),
        client: UsageMeter::new(Some(Processes::own())),
    };
    let began = Instant::now();
    let groups = run.open()?;
    let opening = began.elapsed();
    run.wait_until_idle();
    let published = run.publish()?;
    state.enter(Stage::Over);
    let mut deliveries = DeliveryStats::new(Timeline::new(run.step));
    for group in groups {
        deliveries.add(&join(group)?);
    }
    deliveries.timeline.add(&published.timeline);
    let measurements = Measurements {
        opening,
        server: run.server.finish(),
        client: run.client.finish().map(|(_, usage)| usage),
        deliveries,
        published,
        state,
    };
    drop(run.progress);
    Ok(Report::new(bench, &servers, &measurements))
}

impl Run<'_> {
    /// Opens as many subscribers as the limits of this machine allow.
    fn open(&mut self) -> Result<Vec<Thread<DeliveryStats>>, Failure> {
        let wanted = size(self.bench.subscribers);
        let open_files = sse_broadcaster_cli::open_files::raise_limit();
        let most = limits::most_subscribers(open_files, size(self.bench.publishers));
        let total = wanted.min(most);
        if total < wanted {
            let why = limits::why_no_more_files(open_files);
            let mut not_opened = self.state.not_opened.lock();
            not_opened.add(&why, (wanted - total) as u64);
        }
        self.meter(|usage| &mut usage.before);
        let groups = self.spawn_groups(total)?;
        self.wait_while(|run| {
            run.progress.opening(&run.state, total as u64);
            run.state.tried.load(Relaxed) < total && !run.state.is_stopped()
        });
        self.warn_of_unopened();
        Ok(groups)
    }

    fn spawn_groups(&self, total: usize) -> Result<Vec<Thread<DeliveryStats>>, Failure> {
        let threads = size(self.bench.threads());
        let requests = self.servers.subscribe_requests(&self.bench.topic_names());
        let groups = (0..threads).map(|number| {
            let settings = GroupSettings {
                subscribers: total.saturating_sub(number).div_ceil(threads),
                first: number,
                step: threads,
                at_once: OPENING_AT_ONCE.div_ceil(threads),
                publishers: size(self.bench.publishers),
                requests: requests.clone(),
            };
            let (state, endpoint) = (self.state.clone(), self.servers.subscribe.clone());
            let group = SubscriberGroup::new(state, endpoint, settings, Timeline::new(self.step));
            spawn("subscribers", move || group.and_then(SubscriberGroup::run))
        });
        groups.collect()
    }

    fn warn_of_unopened(&self) {
        let not_opened = self.state.not_opened.lock().clone();
        let open = self.state.open.load(Relaxed) as u64;
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
        self.progress.suspend(|| print_to_stderr(&line));
    }

    /// Waits until the streams are idle, to measure what idle streams use.
    fn wait_until_idle(&mut self) {
        let began = self.state.now();
        self.wait_while(|run| {
            let state = &run.state;
            let last = state.last_read.load(Relaxed).max(began);
            let now = state.now();
            now < last + nanos(IDLE_AFTER) && now < began + nanos(IDLE_LIMIT) && !state.is_stopped()
        });
        self.meter(|usage| &mut usage.idle);
        self.meter(|usage| &mut usage.at_start);
    }

    fn publish(&mut self) -> Result<PublishStats, Failure> {
        let state = self.state.clone();
        if state.open.load(Relaxed) == 0 || state.is_stopped() {
            self.meter(|usage| &mut usage.published);
            self.meter(|usage| &mut usage.at_end);
            return Ok(PublishStats::new(Timeline::new(self.step)));
        }
        let thread = self.warm_up()?;
        self.wait_while(|run| {
            run.progress.publishing(&state, run.bench.duration);
            !thread.is_finished()
        });
        self.meter(|usage| &mut usage.published);
        state.enter(Stage::Waiting);
        self.wait_for_late_deliveries();
        self.meter(|usage| &mut usage.at_end);
        let published = join(thread)?;
        if published.is_bounded {
            let most = count(self.max_events);
            let line = format!("ended after {most} events; --max-events sets another bound");
            self.progress.suspend(|| print_to_stderr(&line));
        }
        Ok(published)
    }

    /// Returns once the publishing thread has begun the run, or has found that it cannot.
    fn warm_up(&mut self) -> Result<Thread<PublishStats>, Failure> {
        self.state.enter(Stage::WarmUp);
        let thread = self.spawn_scheduler()?;
        let began = Instant::now();
        self.wait_while(|run| {
            let state = &run.state;
            run.progress.warming_up(state);
            let all_are_warm = state.warm.load(Relaxed) >= state.open.load(Relaxed);
            let is_over = all_are_warm || began.elapsed() > WARM_UP_LIMIT;
            !is_over && !state.is_stopped() && !thread.is_finished()
        });
        self.meter(|usage| &mut usage.at_start);
        let has_to_end = thread.is_finished() || self.state.is_stopped();
        self.state.enter(if has_to_end {
            Stage::Waiting
        } else {
            Stage::Publishing
        });
        Ok(thread)
    }

    fn spawn_scheduler(&self) -> Result<Thread<PublishStats>, Failure> {
        let bench = self.bench;
        let plan = PublishPlan {
            endpoint: self.servers.publish.clone(),
            request_heads: self.servers.publish_heads(&bench.topic_names(), bench.size),
            data_bytes: size(bench.size),
            publishers: size(bench.publishers),
        };
        let schedule = Schedule {
            rate: bench.rate,
            duration: bench.duration,
            max_events: self.max_events,
        };
        let timeline = Timeline::new(self.step);
        let scheduler = Scheduler::new(self.state.clone(), plan, schedule, timeline);
        spawn("publishers", move || scheduler.and_then(Scheduler::run))
    }

    fn wait_for_late_deliveries(&mut self) {
        let began = self.state.now();
        self.wait_while(|run| {
            let state = &run.state;
            run.progress.waiting(state);
            let last = state.last_delivered.load(Relaxed).max(began);
            let has_all = state.delivered.load(Relaxed) >= state.possible.load(Relaxed);
            // Even when all have been delivered, duplicates may still come.
            let quiet = if has_all { IDLE_AFTER } else { LATE_AFTER };
            let now = state.now();
            now < last + nanos(quiet) && now < began + nanos(LATE_LIMIT)
        });
    }

    fn wait_while(&mut self, mut condition: impl FnMut(&mut Self) -> bool) {
        while condition(self) {
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn meter(&mut self, boundary: impl Fn(&mut StageUsage) -> &mut ProcessUsage) {
        self.server.read(&boundary);
        self.client.read(&boundary);
    }
}

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<Thread<T>, Failure> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.map_err(|error| Failure::new(format!("a thread could not be started: {error}")))
}

fn join<T>(thread: Thread<T>) -> Result<T, Failure> {
    match thread.join() {
        Ok(done) => done.map_err(|error| Failure::new(error.to_string())),
        Err(_) => Err(Failure::new("a thread has panicked")),
    }
}
