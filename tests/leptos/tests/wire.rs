//! What a page that uses the published crate is given by our streams: the documents that it is given
//! by the crate's own server, and, behind cuts and gaps, where that one has nothing, still the right ones.

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use sse_broadcaster::history::Retention;
use sse_broadcaster_signals::Patch;
use support::{Board, Count, Reader, Server, within};

use leptos_wire::{page::Page, peer};

fn any_document() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-1e9..1e9f64).prop_map(Value::from),
        "[a-c/~\"\\\\é\u{2028}\r\n]{0,5}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-c/~0]{0,2}", inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Documents of which each is another than the one before.
fn any_documents() -> impl Strategy<Value = Vec<Value>> {
    prop::collection::vec(any_document(), 1..8).prop_map(|mut documents| {
        documents.dedup();
        documents
    })
}

fn cases() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        // A stream that says nothing fails each smaller case as late as the first.
        max_shrink_time: 20_000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn documents_are_sent_as_the_server_of_leptos_sse_sends_them(documents in any_documents()) {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        runtime.block_on(compare(documents))?;
    }
}

async fn compare(documents: Vec<Value>) -> Result<(), TestCaseError> {
    let mut theirs = peer::messages("it", documents.clone()).unwrap();
    let mut their_page = Page::default();
    their_page.create::<Value>("it");

    let server = Server::start(Retention::default());
    let mut ours = Reader::open(&server, &["it"]);
    ours.page.create::<Value>("it");

    for (at, document) in documents.iter().enumerate() {
        let theirs = within(theirs.next()).await.expect("one a document");
        server.set("it", document).await;
        let ours_data = ours.take().await.data;
        their_page.take(&theirs.data).unwrap();

        prop_assert_eq!(ours.page.document("it"), Some(document));
        prop_assert_eq!(their_page.document("it"), Some(document));
        let whole = json!([{"op": "replace", "path": "", "value": document}]);
        let whole = format!("{{\"name\":\"it\",\"patch\":{whole}}}");
        if at == 0 || whole.len() < theirs.data.len() {
            prop_assert_eq!(ours_data, whole);
        } else {
            prop_assert_eq!(ours_data, theirs.data);
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_page_begins_with_the_current_documents_whatever_its_defaults() {
    let server = Server::start(Retention::default());
    let board = Board::any(1);
    server.set("board", &board).await;
    server.set("counter", &Count { value: 7 }).await;

    let mut reader = Reader::open(&server, &["counter", "board"]);
    reader.page.create::<Count>("counter");
    reader.page.create::<Board>("board");
    reader.shows("counter", &Count { value: 7 }).await;
    reader.shows("board", &board).await;
}

#[tokio::test]
async fn a_signal_that_does_not_exist_yet_is_sent_once_it_does_and_no_other_is_sent() {
    let server = Server::start(Retention::default());
    let mut reader = Reader::open(&server, &["later", "board"]);
    reader.page.create::<Count>("later");
    reader.page.create::<Board>("board");

    server.set("unasked", &Count { value: 1 }).await;
    server.set("later", &Count { value: 2 }).await;
    reader.shows("later", &Count { value: 2 }).await;
    assert_eq!(reader.page.queued(), 0);
}

#[tokio::test]
async fn a_removed_signal_keeps_its_value_in_a_page_and_is_sent_whole_once_it_is_set_again() {
    let server = Server::start(Retention::default());
    server.set("board", &Board::any(1)).await;
    server.set("counter", &Count { value: 1 }).await;
    let mut reader = Reader::open(&server, &["counter", "board"]);
    reader.page.create::<Count>("counter");
    reader.page.create::<Board>("board");
    reader.shows("board", &Board::any(1)).await;

    server.remove("board").await;
    server.set("counter", &Count { value: 2 }).await;
    reader.shows("counter", &Count { value: 2 }).await;
    assert_eq!(reader.board(), Board::any(1));

    // A page that comes back meanwhile is told as little.
    reader.come_back(&server);
    reader.shows("counter", &Count { value: 2 }).await;
    assert_eq!(reader.board(), Board::any(1));

    server.set("board", &Board::any(2)).await;
    reader.shows("board", &Board::any(2)).await;
}

#[tokio::test]
async fn patches_that_move_copy_and_test_give_the_same_document_in_a_page() {
    let server = Server::start(Retention::default());
    let mut board = Board::any(1);
    board.tags = vec!["first".into(), "second".into()];
    server.set("board", &board).await;
    let mut reader = Reader::open(&server, &["board"]);
    reader.page.create::<Board>("board");
    reader.shows("board", &board).await;

    let patch = json!([
        {"op": "test", "path": "/tags/0", "value": "first"},
        {"op": "copy", "from": "/tags/1", "path": "/tags/-"},
        {"op": "move", "from": "/tags/0", "path": "/tags/2"},
        {"op": "add", "path": "/scores/a~1b~0c", "value": 5},
    ]);
    let patch = Patch::json_patch(patch.to_string().as_bytes()).unwrap();
    server.patch("board", &patch).await;
    board.tags = vec!["second".into(), "second".into(), "first".into()];
    board.scores.insert("a/b~c".into(), 5);
    reader.shows("board", &board).await;
}

#[tokio::test]
async fn a_page_that_is_cut_all_the_time_shows_documents_in_order_and_finally_the_last() {
    const CHANGES: u32 = 300;
    const PAGES: usize = 4;
    let server = Server::start(Retention::default());
    server.set("board", &Board::any(0)).await;
    let pages = (0..PAGES).map(|_| {
        let server = server.clone();
        tokio::spawn(async move {
            let mut reader = Reader::open(&server, &["board"]);
            reader.page.create::<Board>("board");
            let mut last = 0;
            while last < CHANGES {
                for _ in 0..fastrand::usize(1..8) {
                    reader.take().await;
                    let board = reader.board();
                    assert!(board.number >= last, "{} behind {last}", board.number);
                    assert_eq!(board, Board::any(board.number));
                    last = board.number;
                    if last == CHANGES {
                        return;
                    }
                }
                reader.come_back(&server);
            }
        })
    });
    let pages: Vec<_> = pages.collect();
    for number in 1..=CHANGES {
        server.set("board", &Board::any(number)).await;
    }
    for page in pages {
        within(page).await.unwrap();
    }
}

/// The fewest that history can be told to keep.
const SHORT: Retention = Retention::new().events(16);

#[tokio::test]
async fn a_page_that_missed_dropped_changes_is_sent_whole_documents() {
    const CHANGES: u32 = 100;
    let server = Server::start(SHORT);
    server.set("counter", &Count { value: 5 }).await;
    server.set("board", &Board::any(0)).await;
    let mut reader = Reader::open(&server, &["board", "counter"]);
    reader.page.create::<Board>("board");
    reader.page.create::<Count>("counter");
    reader.connected().await;
    assert_eq!(reader.board(), Board::any(0));

    for number in 1..=CHANGES {
        server.set("board", &Board::any(number)).await;
    }
    reader.shows("board", &Board::any(CHANGES)).await;
    assert!(server.gaps() > 0, "history kept the page's place");
    server.set("board", &Board::any(CHANGES + 1)).await;
    reader.shows("board", &Board::any(CHANGES + 1)).await;
    reader.shows("counter", &Count { value: 5 }).await;
}

#[tokio::test]
async fn a_page_slower_than_retention_is_never_sent_a_change_to_a_document_it_lacks() {
    const ROUNDS: u32 = 40;
    const CHANGES: u32 = 40;
    let server = Server::start(SHORT);
    server.set("board", &Board::any(0)).await;
    let mut reader = Reader::open(&server, &["board"]);
    reader.page.create::<Board>("board");

    for round in 0..ROUNDS {
        for change in 1..=CHANGES {
            let board = Board::any(round * CHANGES + change);
            server.set("board", &board).await;
        }
        if reader.next_if_any().await.is_none() {
            reader.come_back(&server);
        }
    }
    reader.come_back(&server);
    reader.shows("board", &Board::any(ROUNDS * CHANGES)).await;
}
