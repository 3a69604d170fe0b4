//! Datastar's protocol: an event of Datastar's is sent as Datastar's own crate writes it, except for the id.

use std::time::Duration;

use datastar::{
    DatastarEvent,
    consts::ElementPatchMode,
    prelude::{PatchElements, PatchSignals},
};
use futures_util::StreamExt;
use serde_json::json;
use sse_broadcaster::{
    Broadcaster, Memory, Options, Selector, Start, broadcaster::EncodedStream, encoding::Sse,
    history::Retention,
};
use sse_broadcaster_signals::{Signal, SignalFormat};

/// How the dashboard makes its events, in `examples/stats`.
#[path = "../examples/stats/wire.rs"]
mod wire;

/// So that a test that waits in vain fails.
const PATIENCE: Duration = Duration::from_secs(20);
const TOPIC: &str = "page";

struct Wire {
    broadcaster: Broadcaster,
    stream: EncodedStream,
    text: String,
}

impl Wire {
    async fn open() -> Self {
        let history = Memory::new(Retention::default());
        let broadcaster = Broadcaster::start(history, Options::default()).unwrap();
        let selector = Selector::topics(&[TOPIC]).unwrap();
        let stream = broadcaster
            .subscribe(selector, Start::Live)
            .unwrap()
            .encoded(&Sse);
        let mut wire = Self {
            broadcaster,
            stream,
            text: String::new(),
        };
        assert!(wire.block().await.contains("event: connected\n"));
        wire
    }

    /// The next block of the stream, with the blank line that ends it.
    async fn block(&mut self) -> String {
        loop {
            if let Some(end) = self.text.find("\n\n") {
                let rest = self.text.split_off(end + 2);
                return std::mem::replace(&mut self.text, rest);
            }
            let item = tokio::time::timeout(PATIENCE, self.stream.next());
            let bytes = item.await.expect("a block is due").unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// What is written for this event but for the line with its id.
    async fn written(&mut self, patch: &DatastarEvent) -> String {
        let event = wire::event(TOPIC, patch).unwrap();
        let id = self.broadcaster.publish(event).await.unwrap().ids[0];
        let block = self.block().await;
        without_id(&block, &id.to_string())
    }
}

fn without_id(block: &str, id: &str) -> String {
    let fields = block.strip_suffix(&format!("id: {id}\n\n"));
    format!("{}\n", fields.expect("the id is the last field"))
}

/// An event of Datastar's, and what its protocol has for it.
fn golden() -> Vec<(DatastarEvent, &'static str)> {
    vec![
        (
            PatchSignals::new(r#"{"count":1}"#).into(),
            "event: datastar-patch-signals\n\
             data: signals {\"count\":1}\n\n",
        ),
        (
            PatchSignals::new("{\n  \"count\": 1\n}")
                .only_if_missing(true)
                .into(),
            "event: datastar-patch-signals\n\
             data: onlyIfMissing true\n\
             data: signals {\n\
             data: signals   \"count\": 1\n\
             data: signals }\n\n",
        ),
        (
            PatchElements::new("<ol id=\"list\">\n  <li>Größe \u{2028} 🎈</li>\n\n</ol>").into(),
            "event: datastar-patch-elements\n\
             data: elements <ol id=\"list\">\n\
             data: elements   <li>Größe \u{2028} 🎈</li>\n\
             data: elements \n\
             data: elements </ol>\n\n",
        ),
        (
            PatchElements::new("<li id=\"1\">first</li>")
                .selector("#list")
                .mode(ElementPatchMode::Prepend)
                .use_view_transition(true)
                .into(),
            "event: datastar-patch-elements\n\
             data: selector #list\n\
             data: mode prepend\n\
             data: useViewTransition true\n\
             data: elements <li id=\"1\">first</li>\n\n",
        ),
        (
            PatchElements::new_remove("#list > :last-child").into(),
            "event: datastar-patch-elements\n\
             data: selector #list > :last-child\n\
             data: mode remove\n\n",
        ),
    ]
}

#[tokio::test]
async fn an_event_is_written_as_datastar_itself_writes_it_and_then_its_id() {
    let mut wire = Wire::open().await;
    for (patch, lines) in golden() {
        assert_eq!(patch.to_string(), lines, "the crate's own");
        assert_eq!(wire.written(&patch).await, lines);
    }
}

#[tokio::test]
async fn a_signal_and_its_changes_are_written_as_datastar_itself_writes_them() {
    let mut wire = Wire::open().await;
    let signal = Signal::new(
        &wire.broadcaster,
        "count",
        json!({"value": 1, "gone": true}),
    );
    let signal = signal.await.unwrap();
    wire.stream = signal.subscribe(SignalFormat::Datastar).unwrap();
    let own = |json: &str| DatastarEvent::from(PatchSignals::new(json)).to_string();
    let whole = wire.block().await;
    let (retry, whole) = whole.split_once('\n').unwrap();
    assert!(retry.starts_with("retry: "), "{retry}");
    assert_eq!(whole, own(r#"{"count":{"gone":true,"value":1}}"#));
    assert!(wire.block().await.contains("event: connected\n"));
    let written = signal.set(&json!({"value": 2})).await.unwrap();
    let change = wire.block().await;
    let id = written.document.unwrap().version.to_string();
    assert_eq!(
        without_id(&change, &id),
        own(r#"{"count":{"gone":null,"value":2}}"#)
    );
}

#[test]
fn a_part_of_a_state_is_written_as_datastar_itself_writes_it() {
    for (patch, lines) in golden() {
        assert_eq!(wire::block(&patch).unwrap(), lines);
    }
}
