//! `Signal` and `Signals` as a program uses them.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sse_broadcaster::{
    Broadcaster, Event, Memory, Options,
    broadcaster::{EncodedStream, PublishError},
    history::{History, MAX_RETAINED_VALUES, Retention, SyncPolicy},
};
use sse_broadcaster_disk as disk;
use sse_broadcaster_disk::Disk;
use sse_broadcaster_signals::{
    ClientState, Condition, Patch, Signal, SignalError, SignalFormat, SignalName, Signals,
};

use crate::{
    signals::page::{Page, blocks},
    support::PATIENCE,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Count {
    value: i64,
}

fn start(retention: Retention) -> Broadcaster {
    let options = Options::default().max_event_bytes(64 << 10);
    Broadcaster::start(Memory::new(retention), options).unwrap()
}

fn name(text: &str) -> SignalName {
    SignalName::new(text).unwrap()
}

/// Somebody who reads.
struct Reader {
    stream: EncodedStream,
    text: String,
    page: Page,
}

impl Reader {
    fn new(stream: EncodedStream) -> Self {
        Self {
            stream,
            text: String::new(),
            page: Page::default(),
        }
    }

    /// Takes the next piece of the stream.
    async fn step(&mut self) {
        let piece = self
            .stream
            .next()
            .await
            .expect("the stream goes on")
            .unwrap();
        assert!(
            !piece.is_empty(),
            "which in chunks is the end of a response"
        );
        self.text.push_str(str::from_utf8(&piece).unwrap());
        let (blocks, rest) = blocks(&self.text);
        let rest = rest.to_owned();
        for block in blocks {
            self.page.take(&block);
        }
        self.text = rest;
    }

    /// Reads until the page is so.
    async fn until(&mut self, what: &str, mut is_so: impl FnMut(&Page) -> bool) {
        let reading = async {
            while !is_so(&self.page) {
                self.step().await;
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        assert!(read.is_ok(), "waited in vain until {what}: {:?}", self.page);
    }

    async fn until_held(&mut self, expected: Value) {
        self.until(&expected.to_string(), |page| {
            page.connected && page.held() == expected
        })
        .await;
    }
}

#[tokio::test]
async fn a_signal_is_sent_whole_and_then_each_change_as_a_patch() {
    let broadcaster = start(Retention::default());
    let counter = Signal::new(&broadcaster, "counter", Count { value: 1 })
        .await
        .unwrap();
    let mut reader = Reader::new(counter.subscribe(SignalFormat::Patch).unwrap());
    reader.until_held(json!({"counter": {"value": 1}})).await;
    assert_eq!((reader.page.wholes, reader.page.changes), (1, 0));
    counter.set(&Count { value: 2 }).await.unwrap();
    counter.update(|count| count.value *= 21).await.unwrap();
    reader.until_held(json!({"counter": {"value": 42}})).await;
    assert_eq!((reader.page.wholes, reader.page.changes), (1, 2));
    assert_eq!(counter.get().await.unwrap(), Count { value: 42 });
}

#[tokio::test]
async fn setting_an_equal_value_publishes_nothing() {
    let broadcaster = start(Retention::default());
    let counter = Signal::new(&broadcaster, "counter", Count { value: 1 })
        .await
        .unwrap();
    let head = broadcaster.bounds().head;
    assert_eq!(
        counter.set(&Count { value: 1 }).await.unwrap().published,
        None
    );
    assert_eq!(counter.update(|_| {}).await.unwrap().published, None);
    Signal::new(&broadcaster, "counter", Count { value: 7 })
        .await
        .unwrap();
    assert_eq!(broadcaster.bounds().head, head);
    assert_eq!(counter.get().await.unwrap(), Count { value: 1 });
}

#[tokio::test]
async fn several_signals_share_a_stream_and_each_document_comes_before_its_changes() {
    let broadcaster = start(Retention::default());
    let signals = Signals::new(&broadcaster);
    let one = Signal::of(&signals, "one", 1).await.unwrap();
    let two = Signal::of(&signals, "two", vec!["a"]).await.unwrap();
    let names = [name("two"), name("one"), name("three"), name("two")];
    let stream = signals.subscribe(&names, SignalFormat::Patch, ClientState::default());
    let mut reader = Reader::new(stream.unwrap());
    reader.until_held(json!({"one": 1, "two": ["a"]})).await;
    one.set(&5).await.unwrap();
    two.set(&vec!["a", "b"]).await.unwrap();
    Signal::of(&signals, "three", true).await.unwrap();
    Signal::of(&signals, "four", true).await.unwrap();
    reader
        .until_held(json!({"one": 5, "two": ["a", "b"], "three": true}))
        .await;
    signals
        .remove(&name("one"), &Condition::default())
        .await
        .unwrap();
    reader
        .until_held(json!({"two": ["a", "b"], "three": true}))
        .await;
}

#[tokio::test]
async fn a_signal_follows_a_stream_of_values() {
    let broadcaster = start(Retention::default());
    let counter = Signal::new(&broadcaster, "counter", 0).await.unwrap();
    let mut reader = Reader::new(counter.subscribe(SignalFormat::Patch).unwrap());
    reader.until_held(json!({"counter": 0})).await;
    let values = futures_util::stream::iter([1, 1, 2, 2, 3]);
    counter.follow(values).await.unwrap();
    reader.until_held(json!({"counter": 3})).await;
    assert_eq!(reader.page.changes, 3);
}

#[test]
fn threads_that_are_not_async_write_too_and_no_update_is_lost() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let (broadcaster, counter) = runtime.block_on(async {
        let broadcaster = start(Retention::default());
        let counter = Signal::new(&broadcaster, "counter", Count { value: 0 }).await;
        (broadcaster, counter.unwrap())
    });
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let counter = counter.clone();
            std::thread::spawn(move || {
                for _ in 0..100 {
                    counter.update_blocking(|count| count.value += 1).unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.join().unwrap();
    }
    runtime.block_on(async {
        assert_eq!(counter.get().await.unwrap(), Count { value: 400 });
        assert_eq!(
            counter.set_blocking(&Count { value: 0 }).unwrap_err(),
            SignalError::WouldBlock
        );
        assert!(broadcaster.bounds().events >= 400);
    });
}

#[tokio::test]
async fn a_document_outlives_retention_and_a_reader_that_lost_changes_is_sent_it_whole() {
    let broadcaster = start(Retention::new().events(64));
    let counter = Signal::new(&broadcaster, "counter", Count { value: 0 })
        .await
        .unwrap();
    let mut reader = Reader::new(counter.subscribe(SignalFormat::Patch).unwrap());
    reader.until_held(json!({"counter": {"value": 0}})).await;
    // While nobody reads, the log goes on, and loses what the reader has not had.
    for value in 1..=10 {
        counter.set(&Count { value }).await.unwrap();
    }
    for n in 0..200 {
        broadcaster
            .publish(Event::builder(n.to_string()).build().unwrap())
            .await
            .unwrap();
    }
    reader.until_held(json!({"counter": {"value": 10}})).await;
    assert_eq!(reader.page.gaps, 1);
    assert_eq!(reader.page.wholes, 2);
    counter.set(&Count { value: 11 }).await.unwrap();
    reader.until_held(json!({"counter": {"value": 11}})).await;
    assert_eq!(reader.page.wholes, 2);
    let mut late = Reader::new(counter.subscribe(SignalFormat::Patch).unwrap());
    late.until_held(json!({"counter": {"value": 11}})).await;
    assert_eq!(late.page.gaps, 0);
}

fn on_disk(directory: &std::path::Path) -> Arc<dyn History> {
    let retention = Retention::default();
    let opened = Disk::open(
        disk::Options::new(directory.join("log"))
            .wait(Duration::ZERO)
            .sync(SyncPolicy::Never)
            .retention(retention)
            .window(retention)
            .cache_bytes(1 << 20),
    );
    Arc::new(opened.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_on_disk_has_its_value_again_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    for (begins, written) in [(0, 5), (5, 9)] {
        let broadcaster = Broadcaster::on(on_disk(directory.path()), Options::default()).unwrap();
        let counter = Signal::new(&broadcaster, "counter", 0).await.unwrap();
        assert_eq!(counter.get().await.unwrap(), begins);
        counter.set(&written).await.unwrap();
        broadcaster.drain(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn clients_cannot_publish_to_the_topic_of_a_signal() {
    let broadcaster = start(Retention::default());
    let counter = Signal::new(&broadcaster, "counter", 0).await.unwrap();
    let mut reader = Reader::new(counter.subscribe(SignalFormat::Patch).unwrap());
    reader.until_held(json!({"counter": 0})).await;
    let forged = Event::builder("[]\n0").topic("$signal/counter").build();
    assert_eq!(forged.unwrap_err().code(), "reserved_topic");
    let other = Event::builder("{\"name\":\"counter\",\"patch\":[]}").topic("counter");
    broadcaster.publish(other.build().unwrap()).await.unwrap();
    counter.set(&1).await.unwrap();
    reader.until_held(json!({"counter": 1})).await;
    assert_eq!(reader.page.changes + reader.page.wholes, 2);
}

#[tokio::test]
async fn history_retains_signals_up_to_a_bound_and_a_removed_one_makes_room() {
    let broadcaster = start(Retention::default());
    let signals = Signals::new(&broadcaster);
    let any = Condition::default();
    for n in 0..MAX_RETAINED_VALUES {
        let name = name(&n.to_string());
        signals.set(&name, &any, json!(n)).await.unwrap();
    }
    let one_more = signals.set(&name("more"), &any, json!(1)).await;
    assert_eq!(one_more.unwrap_err(), SignalError::Full);
    signals
        .set(&name("7"), &any, json!("changed"))
        .await
        .unwrap();
    signals.remove(&name("7"), &any).await.unwrap();
    signals.set(&name("more"), &any, json!(1)).await.unwrap();
}

#[tokio::test]
async fn invalid_names_documents_and_patches_are_rejected_and_change_nothing() {
    let broadcaster = start(Retention::default());
    let signals = Signals::new(&broadcaster);
    let missing = signals.remove(&name("none"), &Condition::default()).await;
    assert_eq!(missing.unwrap_err(), SignalError::Missing);
    let text = Signal::of(&signals, "text", json!("x")).await.unwrap();
    let max = signals.max_document_bytes();
    let large = text.set(&json!("x".repeat(max - 1))).await.unwrap_err();
    assert_eq!(large, SignalError::TooLarge { max });
    assert!(text.set(&json!("x".repeat(max - 2))).await.is_ok());
    let typed = Signal::<Count>::of(&signals, "text", Count { value: 0 })
        .await
        .unwrap();
    assert_eq!(typed.get().await.unwrap_err().code(), "wrong_type");
    let updated = typed.update(|count| count.value += 1).await;
    assert_eq!(updated.unwrap_err().code(), "wrong_type");
    let none = signals.subscribe(&[], SignalFormat::Patch, ClientState::default());
    assert_eq!(none.unwrap_err().code(), "no_signals");
    let many: Vec<_> = (0..101).map(|n| name(&n.to_string())).collect();
    let many = signals.subscribe(&many, SignalFormat::Patch, ClientState::default());
    assert_eq!(many.unwrap_err().code(), "too_many_signals");
    broadcaster.drain(Duration::ZERO).await;
    assert_eq!(
        text.set(&json!("y")).await.unwrap_err(),
        SignalError::Publish(PublishError::Draining)
    );
}

#[tokio::test]
async fn a_snapshot_sent_in_parts_is_right_although_documents_change_meanwhile() {
    let broadcaster = start(Retention::default());
    let signals = Signals::new(&broadcaster);
    let any = Condition::default();
    let names: Vec<_> = (10..50).map(|n| name(&n.to_string())).collect();
    for name in &names {
        let document = json!({"text": "x".repeat(15_000), "list": []});
        signals.set(name, &any, document).await.unwrap();
    }
    let form = SignalFormat::Patch;
    let stream = signals.subscribe(&names, form, ClientState::default());
    let mut reader = Reader::new(stream.unwrap());
    let mut rng = fastrand::Rng::with_seed(7);
    let mut pieces = 0;
    while !reader.page.connected {
        reader.step().await;
        pieces += 1;
        // What was told already, what is yet to be told, and what is gone meanwhile.
        if pieces % 8 == 0 {
            let patch = json!([{"op": "add", "path": "/list/-", "value": pieces}]).to_string();
            let patch = Patch::json_patch(patch.as_bytes()).unwrap();
            let name = &names[rng.usize(1..names.len())];
            signals.patch(name, &any, &patch).await.unwrap();
        }
        if pieces == 20 {
            signals.remove(&names[0], &any).await.unwrap();
        }
    }
    assert!(reader.page.wholes > names.len(), "{}", reader.page.wholes);
    let mut there = serde_json::Map::new();
    for name in &names[1..] {
        let document = signals.get(name).await.unwrap().unwrap();
        there.insert(name.to_string(), document.value);
    }
    reader.until_held(there.into()).await;
}
