//! The client of docs/signals.md, and beside its counter a signal that holds something of everything.

use std::collections::BTreeMap;

use leptos::{IntoView, SignalGet, component, mount_to_body, view, window};
use leptos_sse::{create_sse_signal, provide_sse};
use serde::{Deserialize, Serialize};

#[derive(Clone, Default, Serialize, Deserialize)]
struct Count {
    value: i32,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Board {
    title: String,
    note: Option<String>,
    done: bool,
    level: f64,
    tags: Vec<String>,
    scores: BTreeMap<String, i64>,
    cards: Vec<Card>,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Card {
    id: u32,
    text: String,
    votes: BTreeMap<String, bool>,
}

/// The address of the stream stands behind the `#` of the page's own.
fn stream() -> String {
    let hash = window().location().hash().unwrap_or_default();
    hash.trim_start_matches('#').to_owned()
}

#[component]
fn App() -> impl IntoView {
    provide_sse(&stream()).expect("a browser has EventSource");
    let counter = create_sse_signal::<Count>("counter");
    let board = create_sse_signal::<Board>("board");
    let board = move || serde_json::to_string(&board.get()).expect("a board is JSON");
    view! {
        <h1>"Count: " <b id="counter">{move || counter.get().value}</b></h1>
        <pre id="board">{board}</pre>
    }
}

fn main() {
    console_error_panic_hook::set_once();
    mount_to_body(App);
}
