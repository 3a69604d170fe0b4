//! What a browser cannot bring about at will: the process ends between a change and its announcement.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use futures_util::StreamExt;
use sse_broadcaster::{
    Broadcaster, Event, Memory, Options, Selector, Start, encoding::Sse, history::Retention,
};

use crate::{
    announcer,
    data::{Author, Change, Message, Posts, Username, WriteError},
    notifications, views,
};

fn posts(folder: &Path) -> Posts {
    Posts::open(&folder.join("posts.sqlite")).unwrap()
}

fn author(id: &str) -> Author {
    Author {
        id: id.into(),
        secret: format!("secret of {id}"),
        name: String::new(),
    }
}

fn message(text: &str) -> Message {
    Message::new(text).unwrap()
}

async fn create(posts: &Posts, text: &str) -> i64 {
    let name = Username::new("Ann").unwrap();
    let post = posts.create(author("ann"), name, message(text)).await;
    post.unwrap().id
}

fn broadcaster() -> Broadcaster {
    Broadcaster::start(Memory::new(Retention::default()), Options::default()).unwrap()
}

/// All that was published up to an event whose data is "end".
async fn published(broadcaster: &Broadcaster) -> Vec<String> {
    let end = Event::builder("end")
        .topic(announcer::TOPIC)
        .build()
        .unwrap();
    broadcaster.publish(end).await.unwrap();
    let selector = Selector::topics(&[announcer::TOPIC]).unwrap();
    let mut stream = broadcaster
        .subscribe(selector, Start::Earliest)
        .unwrap()
        .encoded(&Sse);
    let mut text = String::new();
    while !text.contains("data: end\n") {
        let bytes = stream.next().await.unwrap().unwrap();
        text.push_str(str::from_utf8(&bytes).unwrap());
    }
    let blocks = text
        .split("\n\n")
        .filter(|block| block.contains("data-change"));
    blocks.map(str::to_owned).collect()
}

/// Runs the announcer until nothing is due any more.
async fn announce_all(posts: &Posts, broadcaster: &Broadcaster) {
    let announcer = announcer::run(posts.clone(), broadcaster.clone());
    let done = async {
        while !posts.unannounced(1).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = announcer => {}
        () = done => {}
    }
}

#[tokio::test]
async fn what_was_not_announced_is_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let before = posts(folder.path());
    let id = create(&before, "one").await;
    create(&before, "two").await;
    let edited = before.edit(id, "ann".into(), message("one, edited")).await;
    edited.unwrap();
    drop(before);

    let (after, broadcaster) = (posts(folder.path()), broadcaster());
    announce_all(&after, &broadcaster).await;
    let events = published(&broadcaster).await;
    let changes = [
        "created\" data-post=\"post-1",
        "created\" data-post=\"post-2",
        "edited\" data-post=\"post-1",
    ];
    assert_eq!(events.len(), changes.len(), "{events:?}");
    for (event, change) in events.iter().zip(changes) {
        assert!(event.contains(change), "{event}");
    }
}

#[tokio::test]
async fn a_change_that_was_published_just_before_a_crash_is_announced_once() {
    let folder = tempfile::tempdir().unwrap();
    let (posts, broadcaster) = (posts(folder.path()), broadcaster());
    create(&posts, "one").await;
    create(&posts, "two").await;
    // The announcer's own step, up to the crash: nothing is taken out of the outbox.
    let due = posts.unannounced(1).await.unwrap();
    let event = announcer::event(&posts, &due[0]).unwrap();
    broadcaster.publish(event).await.unwrap();

    announce_all(&posts, &broadcaster).await;
    assert_eq!(published(&broadcaster).await.len(), 2);
}

#[tokio::test]
async fn a_change_of_a_post_that_is_gone_is_announced_as_its_deletion() {
    let folder = tempfile::tempdir().unwrap();
    let posts = posts(folder.path());
    let id = create(&posts, "one").await;
    posts.delete(id, "ann".into()).await.unwrap();
    let due = posts.unannounced(10).await.unwrap();
    assert_eq!(due.len(), 2);
    assert!(
        due.iter()
            .all(|due| matches!(due.change, Change::Deleted(gone) if gone == id))
    );
}

#[tokio::test]
async fn a_refused_change_changes_nothing_and_is_not_announced() {
    let folder = tempfile::tempdir().unwrap();
    let posts = posts(folder.path());
    let id = create(&posts, "of Ann").await;
    posts.announced(i64::MAX).await.unwrap();
    let edited = posts.edit(id, "ben".into(), message("of Ben")).await;
    assert!(matches!(edited, Err(WriteError::NotTheirs)));
    let deleted = posts.delete(id, "ben".into()).await;
    assert!(matches!(deleted, Err(WriteError::NotTheirs)));
    let missing = posts.delete(id + 1, "ann".into()).await;
    assert!(matches!(missing, Err(WriteError::Missing)));
    let thief = Author {
        secret: "guessed".into(),
        ..author("ann")
    };
    let name = Username::new("Thief").unwrap();
    let created = posts.create(thief, name, message("as Ann")).await;
    assert!(matches!(created, Err(WriteError::NotTheirs)));
    assert!(posts.unannounced(1).await.unwrap().is_empty());
    let page = posts.page(None).await.unwrap();
    assert_eq!(page.posts.len(), 1);
    assert_eq!(page.posts[0].message, "of Ann");
}

#[tokio::test]
async fn the_number_of_a_deleted_post_is_not_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let posts = posts(folder.path());
    let id = create(&posts, "one").await;
    posts.delete(id, "ann".into()).await.unwrap();
    assert!(create(&posts, "two").await > id);
}

#[tokio::test]
async fn thanks_reach_the_author_of_a_post_alone_and_once_for_each_visitor() {
    let folder = tempfile::tempdir().unwrap();
    let (posts, broadcaster) = (posts(folder.path()), broadcaster());
    let id = create(&posts, "of <Ann>").await;
    let post = posts.find(id).await.unwrap().unwrap();
    let ben = Author {
        name: "Ben".into(),
        ..author("ben")
    };
    for _ in 0..2 {
        notifications::thank(&posts, &broadcaster, &post, &ben)
            .await
            .unwrap();
    }
    let of = async |user: &str| notifications::newest(&broadcaster, user).await.unwrap();
    assert_eq!(of("ben").await, Vec::<String>::new());
    let expected = "<li id=\"thanks-1-ben\"><b>Ben</b> thanks you for “of &#60;Ann&#62;”</li>";
    assert_eq!(of("ann").await, [expected]);

    // The streams of both ask for the topic of Ann.
    let streams = ["ann", "ben"].map(|user| {
        let selector = notifications::selector_of(user).unwrap();
        broadcaster.subscribe(selector, Start::Earliest).unwrap()
    });
    let end = Event::builder("end").topic(announcer::TOPIC).build();
    broadcaster.publish(end.unwrap()).await.unwrap();
    for (stream, seen) in streams.into_iter().zip([2, 1]) {
        let mut stream = stream.encoded(&Sse);
        let mut text = String::new();
        while !text.contains("data: end\n") {
            let bytes = stream.next().await.unwrap().unwrap();
            text.push_str(str::from_utf8(&bytes).unwrap());
        }
        assert_eq!(
            text.matches("data: ").count() - text.matches("event: connected").count(),
            seen,
            "{text}"
        );
    }
}

#[test]
fn a_database_of_another_version_is_refused_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posts.sqlite");
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let refused = Posts::open(&path).unwrap_err();
    assert!(
        refused.contains("posts.sqlite") && refused.contains("99"),
        "{refused}"
    );
}

#[test]
fn an_avatar_holds_nothing_of_a_name_but_its_letters() {
    let svg = views::avatar("<b>x</b> &\u{202e}").unwrap();
    assert!(svg.contains(">&#60;&#38;</text>"), "{svg}");
    assert_eq!(svg, views::avatar("<b>x</b> &\u{202e}").unwrap());
    assert_ne!(
        views::avatar("Ann").unwrap(),
        views::avatar("Anne").unwrap()
    );
}

/// Whether any file of the folder holds this text.
fn is_kept(folder: &Path, text: &str) -> bool {
    let files = fs::read_dir(folder).unwrap();
    files.into_iter().any(|file| {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let mut windows = bytes.windows(text.len());
        windows.any(|window| window == text.as_bytes())
    })
}

fn check_modes(folder: &Path) {
    for file in fs::read_dir(folder).unwrap() {
        let file = file.unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", file.path());
    }
}

#[tokio::test]
async fn the_database_is_its_owner_s_alone_and_keeps_no_secret_in_clear_text() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("posts.sqlite"), "").unwrap();
    let posts = posts(folder.path());
    create(&posts, "of Ann").await;
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    check_modes(folder.path());
    assert!(is_kept(folder.path(), "of Ann"));
    assert!(!is_kept(folder.path(), "secret of ann"));
    let known = posts.author("ann".into()).await.unwrap().unwrap();
    assert!(known.has("secret of ann") && !known.has("guessed"));
}

#[tokio::test]
async fn a_database_that_kept_secrets_in_clear_text_keeps_them_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("posts.sqlite");
    let old = rusqlite::Connection::open(&path).unwrap();
    old.execute_batch(
        "CREATE TABLE identity (id TEXT NOT NULL) STRICT;
         INSERT INTO identity VALUES ('old');
         CREATE TABLE authors (id TEXT PRIMARY KEY, secret TEXT NOT NULL, name TEXT NOT NULL)
             STRICT, WITHOUT ROWID;
         INSERT INTO authors VALUES ('ann', 'secret of ann', 'Ann');
         CREATE TABLE posts (id INTEGER PRIMARY KEY AUTOINCREMENT,
             author TEXT NOT NULL REFERENCES authors (id), username TEXT NOT NULL,
             message TEXT NOT NULL, created_ms INTEGER NOT NULL, edited_ms INTEGER) STRICT;
         INSERT INTO posts VALUES (1, 'ann', 'Ann', 'of Ann', 0, NULL);
         CREATE TABLE outbox (number INTEGER PRIMARY KEY AUTOINCREMENT, post INTEGER NOT NULL,
             change TEXT NOT NULL) STRICT;
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(old);
    assert!(is_kept(folder.path(), "secret of ann"));
    let posts = posts(folder.path());
    assert!(!is_kept(folder.path(), "secret of ann"));
    check_modes(folder.path());
    assert_eq!(posts.identity(), "old");
    create(&posts, "again of Ann").await;
    let page = posts.page(None).await.unwrap();
    assert_eq!(page.posts.len(), 2);
}
