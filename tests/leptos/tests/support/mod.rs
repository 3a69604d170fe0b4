//! A server of signals, and a page that reads them.

use std::{collections::BTreeMap, time::Duration};

use eventsource_stream::Event;
use leptos_wire::{
    page::Page,
    stream::{Messages, UNNAMED},
};
use serde::{Deserialize, Serialize};
use sse_broadcaster::{Broadcaster, Memory, Options, history::Retention};
use sse_broadcaster_signals::{ClientState, Condition, Patch, SignalFormat, SignalName, Signals};

/// So that nothing hangs: far above what any test takes.
const PATIENCE: Duration = Duration::from_secs(30);

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("what was waited for did not come")
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Count {
    pub value: i32,
}

/// Something of everything, and so much of it that a change is less than the whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Board {
    pub number: u32,
    pub note: Option<String>,
    pub tags: Vec<String>,
    pub scores: BTreeMap<String, u32>,
    pub about: String,
}

impl Board {
    /// The board of this number. From one to another items and members come and go, so that a change
    /// fits the board that it was made for, and seldom another.
    pub fn any(number: u32) -> Self {
        let words = |count| (0..count).map(|at: u32| format!("word {at}"));
        Self {
            number,
            note: number.is_multiple_of(3).then(|| format!("of {number}")),
            tags: words(number % 7).collect(),
            scores: words(number % 5).map(|word| (word, number % 11)).collect(),
            about: "all that stays as it is. ".repeat(20),
        }
    }
}

#[derive(Clone)]
pub struct Server {
    broadcaster: Broadcaster,
    signals: Signals,
}

impl Server {
    pub fn start(retention: Retention) -> Self {
        let broadcaster = Broadcaster::start(Memory::new(retention), Options::default()).unwrap();
        let signals = Signals::new(&broadcaster);
        Self {
            broadcaster,
            signals,
        }
    }

    pub async fn set<T: Serialize>(&self, name: &str, value: &T) {
        let value = serde_json::to_value(value).unwrap();
        let (name, always) = (signal(name), Condition::default());
        self.signals.set(&name, &always, value).await.unwrap();
    }

    pub async fn patch(&self, name: &str, patch: &Patch) {
        let (name, always) = (signal(name), Condition::default());
        self.signals.patch(&name, &always, patch).await.unwrap();
    }

    pub async fn remove(&self, name: &str) {
        let (name, always) = (signal(name), Condition::default());
        self.signals.remove(&name, &always).await.unwrap();
    }

    pub fn gaps(&self) -> u64 {
        self.broadcaster.stats().gaps.get()
    }

    fn stream(&self, names: &[SignalName]) -> Messages {
        let stream = self
            .signals
            .subscribe(names, SignalFormat::default(), ClientState::default());
        Messages::new(stream.unwrap())
    }
}

fn signal(name: &str) -> SignalName {
    SignalName::new(name).unwrap()
}

/// A page and the stream that it has open.
pub struct Reader {
    pub page: Page,
    names: Vec<SignalName>,
    messages: Messages,
}

impl Reader {
    pub fn open(server: &Server, names: &[&str]) -> Self {
        let names: Vec<_> = names.iter().map(|name| signal(name)).collect();
        Self {
            page: Page::default(),
            messages: server.stream(&names),
            names,
        }
    }

    /// As a browser does behind a cut: the page stays, its stream is a new one.
    pub fn come_back(&mut self, server: &Server) {
        self.messages = server.stream(&self.names);
    }

    /// Gives the page the next message that it hears of.
    pub async fn take(&mut self) -> Event {
        loop {
            let message = self.next().await;
            if message.event == UNNAMED {
                return message;
            }
        }
    }

    /// Reads on until the page has all that there was.
    pub async fn connected(&mut self) {
        while self.next().await.event != "connected" {}
    }

    async fn next(&mut self) -> Event {
        self.next_if_any().await.expect("a stream that is not cut")
    }

    /// The next message, of which the page is told if it has no name; none where the stream is cut.
    pub async fn next_if_any(&mut self) -> Option<Event> {
        let message = within(self.messages.next()).await?;
        if message.event == UNNAMED
            && let Err(panic) = self.page.take(&message.data)
        {
            panic!("{panic}, at {}", message.data);
        }
        Some(message)
    }

    /// Reads on until the page shows this.
    pub async fn shows<T: Serialize>(&mut self, name: &str, value: &T) {
        let value = serde_json::to_value(value).unwrap();
        while self.page.document(name) != Some(&value) {
            self.take().await;
        }
    }

    pub fn board(&self) -> Board {
        serde_json::from_value(self.page.document("board").unwrap().clone()).unwrap()
    }
}
