//! Random writers, and readers that connect and are cut, on each history: every page ends with the current documents,
//! and no patch ever fails to apply.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use sse_broadcaster::{Broadcaster, Event, Memory, Options, history::Retention};
use sse_broadcaster_signals::{
    ClientState, Condition, SignalError, SignalFormat, SignalName, Signals,
};

use crate::{
    signals::page::{Page, blocks},
    support::PATIENCE,
};

const NAMES: [&str; 3] = ["a", "b", "c"];
const WRITES: usize = 250;

fn names() -> Vec<SignalName> {
    NAMES.map(|name| SignalName::new(name).unwrap()).to_vec()
}

/// Another document than `old`, of any shape.
fn changed(old: Option<&Value>, rng: &mut fastrand::Rng) -> Option<Value> {
    let key = ["x", "y/z", "~", ""][rng.usize(..4)];
    match (rng.u8(..10), old) {
        (0, _) => None,
        (1, _) => Some(json!(rng.u32(..5))),
        (2, _) => Some(json!([rng.u32(..5), {"deep": [rng.bool()]}])),
        (_, Some(Value::Object(members))) => {
            let mut members = members.clone();
            if rng.bool() {
                members.remove(key);
            } else {
                members.insert(
                    key.into(),
                    json!({"n": rng.u32(..9), "list": [1, rng.u8(..3)]}),
                );
            }
            Some(members.into())
        }
        (_, Some(Value::Array(items))) => {
            let mut items = items.clone();
            items.truncate(6);
            items.insert(rng.usize(..=items.len()), json!(rng.u32(..9)));
            Some(items.into())
        }
        _ => Some(json!({key: rng.u32(..9)})),
    }
}

async fn write(signals: Signals, seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    for _ in 0..WRITES {
        let name = &names()[rng.usize(..NAMES.len())];
        let written = signals
            .write(name, &Condition::default(), |old| {
                Ok(changed(old, &mut rng))
            })
            .await;
        written.unwrap();
        if rng.u8(..4) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Reads with cuts until the writers have ended and it holds what there is. A page of Datastar tells what
/// it holds as its last address has it, which is as old as its load, or the last time that it was shown.
async fn read(signals: Signals, form: SignalFormat, done: Arc<AtomicBool>, seed: u64) -> Page {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (mut page, mut held) = (Page::default(), None);
    'load: loop {
        if page.last_id.is_none() {
            // Without an id a client says that it has nothing.
            page.documents.clear();
            held = None;
        }
        if form == SignalFormat::Datastar && rng.u8(..4) == 0 {
            held = Some(page.held());
        }
        let brought = ClientState::default()
            .last_event_id(page.last_id.clone())
            .held(held.clone());
        let mut stream = signals.subscribe(&names(), form, brought).unwrap();
        let mut text = String::new();
        page.connected = false;
        let mut pieces = rng.usize(1..20);
        while pieces > 0 || done.load(Ordering::SeqCst) {
            let was_done = done.load(Ordering::SeqCst);
            let Ok(piece) = tokio::time::timeout(Duration::from_millis(200), stream.next()).await
            else {
                // Nothing more is due, and nobody writes any more.
                if was_done && page.connected {
                    return page;
                }
                continue;
            };
            text.push_str(str::from_utf8(&piece.unwrap().unwrap()).unwrap());
            let (found, rest) = blocks(&text);
            let rest = rest.to_owned();
            for block in found {
                match (form, block.event.as_deref()) {
                    // What was removed meanwhile may be left: the page is loaded again.
                    (SignalFormat::Datastar, Some("gap")) => {
                        page.gaps += 1;
                        page.last_id = None;
                        continue 'load;
                    }
                    (SignalFormat::Datastar, Some("datastar-patch-signals")) => {
                        page.take_datastar(&block);
                        page.last_id = block.id.or(page.last_id);
                    }
                    _ => page.take(&block),
                }
            }
            text = rest;
            pieces = pieces.saturating_sub(1);
            if rng.u8(..8) == 0 {
                // Long enough to be overtaken now and then.
                tokio::time::sleep(Duration::from_millis(rng.u64(..8))).await;
            }
        }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(key, value)| (key.clone(), without_nulls(value)))
            .collect(),
        other => other.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_converges_wherever_it_is_cut_and_whatever_history_loses() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let retention = Retention::new().events(32);
    let options = Options::default()
        .max_event_bytes(64 << 10)
        .publish_wait(PATIENCE);
    let broadcaster = Broadcaster::start(Memory::new(retention), options).unwrap();
    let signals = Signals::new(&broadcaster);
    let done = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..8)
        .map(|n| {
            let form = [SignalFormat::Patch, SignalFormat::Datastar][n % 2];
            let (signals, done) = (signals.clone(), Arc::clone(&done));
            (
                form,
                tokio::spawn(read(signals, form, done, seed ^ n as u64)),
            )
        })
        .collect();
    let noise = {
        let (broadcaster, done) = (broadcaster.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            while !done.load(Ordering::SeqCst) {
                let event = Event::builder("noise").build().unwrap();
                let _ = broadcaster.publish(vec![event; 4]).await;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        })
    };
    let writers: Vec<_> = (0..4)
        .map(|n| tokio::spawn(write(signals.clone(), seed.wrapping_add(n))))
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    noise.await.unwrap();
    let mut there = serde_json::Map::new();
    for name in names() {
        if let Some(document) = signals.get(&name).await.unwrap() {
            there.insert(name.to_string(), document.value);
        }
    }
    let there = Value::Object(there);
    for (form, reader) in readers {
        let page = reader.await.unwrap();
        match form {
            SignalFormat::Datastar => {
                assert_eq!(without_nulls(&page.held()), without_nulls(&there));
            }
            _ => assert_eq!(page.held(), there),
        }
    }
}

#[tokio::test]
async fn a_write_that_keeps_losing_to_other_writers_ends_with_contended() {
    let retention = Retention::default();
    let broadcaster = Broadcaster::start(Memory::new(retention), Options::default()).unwrap();
    let signals = Signals::new(&broadcaster);
    let name = SignalName::new("a").unwrap();
    signals
        .set(&name, &Condition::default(), json!(0))
        .await
        .unwrap();
    let (busy, mut n) = (signals.clone(), 0);
    let any = Condition::default();
    let overtaken = signals.write(&name, &any, |_| {
        // Somebody else is always faster.
        n += 1;
        let write = busy.set(&name, &any, json!(n));
        futures_util::FutureExt::now_or_never(write).expect("memory answers at once")?;
        Ok(Some(json!("mine")))
    });
    let contended = tokio::time::timeout(PATIENCE, overtaken)
        .await
        .expect("it gives up");
    assert_eq!(contended.unwrap_err(), SignalError::Contended);
}
