//! Erasures in PostgreSQL: where it is killed, and where one step has much to look at or to erase.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sse_broadcaster::{
    Event, EventId, Selector,
    history::{Batch, EraseScope, Erased, Erasure, From, History, ReservationGuard, Retention},
};
use sse_broadcaster_postgres::{Postgres, PostgresOptions};
use tokio::runtime::Runtime;

use crate::{
    history::log::{ALL, event, ids},
    support::{postgres::PostgresServer, wait_until},
};

const ROUNDS: usize = 3;
/// Longer than by default: it shares the machine with many tests.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(4);
/// Between two publishes, so that a round stays small.
const PAUSE: Duration = Duration::from_millis(2);
/// What the head counts, and what the rows that are there are.
const COUNTED: &str = "SELECT number - floor_number - erased_events, bytes - floor_bytes - erased_bytes, erased_events \
    FROM sse_broadcaster.head";
const HELD: &str = "SELECT count(*) FILTER (WHERE get_byte(packed, 0) & 64 = 0), sum(cost), \
    count(*) FILTER (WHERE get_byte(packed, 0) & 64 <> 0) FROM sse_broadcaster.events";

fn node(server: &PostgresServer) -> Arc<Postgres> {
    let retention = |events| Retention::new().events(events);
    let options = PostgresOptions::new(server.url())
        .timeout(DATABASE_TIMEOUT)
        .retention(retention(100_000).bytes(1 << 30))
        // Most of what is read comes from the log.
        .window(retention(50).bytes(64 << 20));
    Arc::new(Postgres::connect(options).unwrap())
}

fn wait_for(nodes: &[Arc<Postgres>]) {
    wait_until("all follow the log", || {
        let is_ok = |node: &Arc<Postgres>| node.health().is_ok() && node.bounds().epoch != 0;
        nodes.iter().all(is_ok)
    });
}

/// What is known of the events of a topic that is erased again and again, and of another.
#[derive(Default)]
struct Seen {
    busy: BTreeSet<EventId>,
    kept: BTreeSet<EventId>,
    /// The newest event of the topic that surely is erased, and the newest that may be.
    erased: Option<EventId>,
    may_be_erased: Option<EventId>,
}

async fn publish(node: Arc<Postgres>, seen: Arc<Mutex<Seen>>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        let events: Vec<Event> = vec![event("busy", "x"), event("kept", "x")];
        let appended = node.append(Batch::from(events), ReservationGuard::default());
        if let Ok(appended) = appended.await {
            let mut seen = seen.lock().unwrap();
            seen.busy.insert(appended.ids[0]);
            seen.kept.insert(appended.ids[1]);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn erase(node: Arc<Postgres>, seen: Arc<Mutex<Seen>>, is_over: Arc<AtomicBool>) {
    while !is_over.load(Ordering::Relaxed) {
        tokio::time::sleep(PAUSE).await;
        let up_to = seen.lock().unwrap().busy.last().copied();
        let Some(up_to) = up_to else { continue };
        seen.lock().unwrap().may_be_erased = Some(up_to);
        let erasure = Erasure {
            topic: "busy".parse().unwrap(),
            up_to: Some(up_to),
            scope: EraseScope::Every,
        };
        let erased = node.erase(erasure, ReservationGuard::default()).await;
        if erased.is_ok_and(|erased| !erased.more) {
            let mut seen = seen.lock().unwrap();
            seen.erased = seen.erased.max(Some(up_to));
        }
    }
}

fn check(runtime: &Runtime, node: &Postgres, seen: &Seen) {
    let read = |topic: &str| {
        let selector = Selector::topics(&[topic]).unwrap();
        let read = node.read(From::Earliest, &selector, ALL);
        let chunk = runtime.block_on(read).unwrap();
        let found: BTreeSet<_> = ids(&chunk).into_iter().collect();
        (found, chunk.erased)
    };
    let (kept, erased) = read("kept");
    assert!(kept.is_superset(&seen.kept));
    assert_eq!(erased, None);
    let (busy, erased) = read("busy");
    assert!(erased >= seen.erased, "{erased:?}, {:?}", seen.erased);
    let back = busy.iter().find(|id| Some(**id) <= seen.erased);
    assert_eq!(back, None, "it came back");
    let lost = seen.busy.difference(&busy);
    let lost = lost.copied().max();
    assert!(
        lost <= seen.may_be_erased,
        "{lost:?}, {:?}",
        seen.may_be_erased
    );
}

#[test]
fn what_is_acknowledged_as_erased_stays_so_when_postgres_is_killed_and_sessions_are_terminated() {
    let mut server = PostgresServer::start_with(&["-c", "fsync=on"]);
    let runtime = Runtime::new().unwrap();
    let entered = runtime.enter();
    let mut nodes = vec![node(&server), node(&server)];
    wait_for(&nodes);
    let (seen, is_over) = (Arc::<Mutex<Seen>>::default(), Arc::<AtomicBool>::default());
    let working = nodes.iter().flat_map(|node| {
        let (node, seen, is_over) = (Arc::clone(node), Arc::clone(&seen), Arc::clone(&is_over));
        [
            runtime.spawn(publish(node.clone(), seen.clone(), is_over.clone())),
            runtime.spawn(erase(node, seen, is_over)),
        ]
    });
    let working: Vec<_> = working.collect();
    let goes_on = || {
        let before = seen.lock().unwrap().erased;
        wait_until("something is erased", || {
            seen.lock().unwrap().erased > before
        });
    };
    for _ in 0..ROUNDS {
        goes_on();
        server.kill();
        server.run();
        wait_for(&nodes);
        goes_on();
        server.ask(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'sse-broadcaster'",
        );
    }
    goes_on();
    is_over.store(true, Ordering::Relaxed);
    for working in working {
        runtime.block_on(working).unwrap();
    }
    nodes.push(node(&server));
    wait_for(&nodes);
    assert_eq!(server.ask(COUNTED), server.ask(HELD));
    for node in &nodes {
        let last = seen.lock().unwrap().kept.last().copied();
        wait_until("it has come to the end", || {
            Some(node.bounds().head) >= last
        });
        check(&runtime, node, &seen.lock().unwrap());
    }
    drop(entered);
}

/// Appends so many events of some topics, with data of so many bytes.
fn fill(server: &PostgresServer, topics: &[&str], count: usize, bytes: usize) {
    let (array, lines) = (topics.join("','"), topics.join("\n"));
    server.ask(&format!(
        "SELECT sse_broadcaster.append(h.epoch, h.server, 100000, 1 << 30, NULL, 1, \
         array_agg(sse_broadcaster.pack(ARRAY['{array}'], repeat('x', {bytes}), NULL, false, NULL)), \
         array_agg('{lines}'::text), array_agg(256 + 2 * {bytes}::bigint), array_agg(NULL::text), \
         NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL) \
         FROM sse_broadcaster.head AS h, generate_series(1, {count}) GROUP BY h.epoch, h.server"
    ));
}

fn erase_now(runtime: &Runtime, node: &Postgres, scope: EraseScope) -> Erased {
    let erasure = Erasure {
        topic: "a".parse().unwrap(),
        up_to: None,
        scope,
    };
    let erasing = node.erase(erasure, ReservationGuard::default());
    runtime.block_on(erasing).unwrap()
}

#[test]
fn an_event_behind_thousands_that_an_erasure_leaves_is_found() {
    let server = PostgresServer::start();
    let runtime = Runtime::new().unwrap();
    let entered = runtime.enter();
    let node = node(&server);
    wait_for(std::slice::from_ref(&node));
    fill(&server, &["a", "b"], 9_000, 1);
    assert_eq!(
        erase_now(&runtime, &node, EraseScope::Alone),
        Erased::default()
    );
    fill(&server, &["a"], 3, 1);
    let erased = erase_now(&runtime, &node, EraseScope::Alone);
    assert_eq!((erased.events, erased.more), (3, false));
    assert_eq!(server.ask(COUNTED), server.ask(HELD));
    drop(entered);
}

#[test]
fn of_large_events_one_step_erases_fewer() {
    let server = PostgresServer::start();
    let runtime = Runtime::new().unwrap();
    let entered = runtime.enter();
    let node = node(&server);
    wait_for(std::slice::from_ref(&node));
    fill(&server, &["a"], 40, 1_000_000);
    let mut steps = Vec::new();
    loop {
        let erased = erase_now(&runtime, &node, EraseScope::Every);
        steps.push(erased.events);
        if !erased.more {
            break;
        }
    }
    assert_eq!(steps, [17, 17, 6]);
    assert_eq!(server.ask(COUNTED), server.ask(HELD));
    drop(entered);
}
