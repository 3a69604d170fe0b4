//! A copied data directory of a stopped server is a complete log.

use std::{path::Path, process::Command, time::Duration};

use sse_broadcaster::{
    Event, Selector,
    history::{Batch, From, History, Limit, ReservationGuard, Retain, Retention, SyncPolicy},
};
use sse_broadcaster_disk as disk;
use sse_broadcaster_disk::Disk;

use crate::{
    commands::transfer::{dump, events, publish, taken_apart},
    support::{Server, command},
};

fn serve(directory: &Path) -> Server {
    let mut command = command(&["--listen", "127.0.0.1:0", "--window-events", "16"]);
    command.arg("--data-dir").arg(directory);
    Server::spawn(command)
}

fn stop(mut server: Server) {
    server.signal("-TERM");
    assert!(server.wait().success());
}

fn publish_with_idempotency_key(server: &Server, data: &str) -> String {
    let response = server.post("/events?topic=late&id=order-7", "text/plain", data);
    assert_eq!(response.status, 200, "{response:?}");
    response.json()["id"].as_str().unwrap().to_owned()
}

/// What no command can write or read yet: it is for who embeds the library.
fn open(directory: &Path) -> Disk {
    let all = Retention::new().events(1_000);
    let options = disk::Options::new(directory)
        .wait(Duration::ZERO)
        .sync(SyncPolicy::Always)
        .retention(all)
        .window(all)
        .cache_bytes(1 << 20);
    Disk::open(options).unwrap()
}

async fn hide(disk: Disk, value: &'static str) {
    let private = Event::builder(value).topic("hidden").private().build();
    let batch = Batch::from(private.unwrap()).retain(Retain::new("key", Some(value.into())));
    disk.append(batch, ReservationGuard::default())
        .await
        .unwrap();
    disk.close().await;
}

/// The private event's id and data, and the retained value.
async fn hidden(disk: Disk) -> (String, String, String) {
    let selector = Selector::topics(&["hidden"]).unwrap().with_private();
    let limit = Limit::new(9, 1 << 20);
    let read = disk.read(From::Earliest, &selector, limit).await.unwrap();
    let [event] = &read.events[..] else {
        panic!("{read:?}")
    };
    let retained = disk.retained(&["key"]).await.unwrap();
    let (value, written_at) = retained.values[0].clone().unwrap();
    assert_eq!(written_at, event.id());
    let value = String::from_utf8(value.to_vec()).unwrap();
    let found = (
        event.id().to_string(),
        event.event().data().to_owned(),
        value,
    );
    disk.close().await;
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_data_directory_of_a_stopped_server_is_a_log_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let (original, copy) = (directory.path().join("data"), directory.path().join("copy"));
    hide(open(&original), "hidden").await;
    let server = serve(&original);
    publish(&server, &events());
    let own = publish_with_idempotency_key(&server, "first");
    let before = dump(&server);
    assert_eq!(before.len(), events().len() + 1);
    stop(server);
    let copied = Command::new("cp")
        .arg("-a")
        .args([&original, &copy])
        .status();
    assert!(copied.unwrap().success());

    let servers = [serve(&original), serve(&copy)];
    let mut later = Vec::new();
    for server in &servers {
        assert_eq!(dump(server), before);
        assert_eq!(publish_with_idempotency_key(server, "again"), own);
        later.push(server.publish("late", "of this one alone"));
    }
    for (server, (mine, other)) in servers
        .iter()
        .zip([(&later[0], &later[1]), (&later[1], &later[0])])
    {
        let all = dump(server);
        assert_eq!(all[..before.len()], before);
        assert_eq!(taken_apart(&all[before.len()..]).0, [mine.as_str()]);
        let resumed = |id: &str| {
            let mut stream =
                server.subscribe_with("/events?topic=late", &format!("Last-Event-ID: {id}"));
            stream.next().unwrap().name
        };
        assert_eq!(resumed("order-7"), "connected");
        assert_eq!(resumed(&own), "connected");
        assert_eq!(resumed(other), "gap");
    }

    servers.into_iter().for_each(stop);
    let found = hidden(open(&original)).await;
    assert_eq!((&found.1[..], &found.2[..]), ("hidden", "hidden"));
    assert_eq!(hidden(open(&copy)).await, found);
}
