//! Disks that are full, read-only or failing: publishes are rejected with the reason, streams continue, and publishing
//! works again once the disk does.

use std::{
    collections::HashMap,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{
    disk::log::{Id, Log, Publisher, id_of, replay},
    support::shim::faulty,
    support::{Response, Server, Stream, wait_until},
};

/// A server whose disk refuses while a file exists.
struct Faulty {
    server: Server,
    log: Log,
}

impl Faulty {
    fn start(args: &[&str]) -> Self {
        let log = Log::new();
        let command = faulty(log.command(args), &log.path(), &log.beside("fault"));
        Self {
            server: Server::spawn(command),
            log,
        }
    }

    fn refuse_with(&self, error: &str) {
        let fault = self.log.beside("fault");
        fs::write(fault.with_extension("new"), error).unwrap();
        fs::rename(fault.with_extension("new"), fault).unwrap();
    }

    fn work_again(&self) {
        fs::remove_file(self.log.beside("fault")).unwrap();
    }

    fn publish(&self, data: &str) -> Response {
        self.server.post("/events", "text/plain", data)
    }
}

fn health(server: &Server) -> (u16, String) {
    let response = server.get("/health/ready");
    (
        response.status,
        response.json()["history"].as_str().unwrap().to_owned(),
    )
}

/// Refused for now, with a reason.
fn assert_refused(response: &Response) {
    assert_eq!(response.status, 503, "{response:?}");
    let code = response.code();
    assert!(
        ["history_unavailable", "outcome_unknown"].contains(&&code[..]),
        "{code}"
    );
}

fn open_stream(server: &Server) -> Stream {
    let mut stream = server.subscribe("/events?topic=*");
    stream.until("connected");
    stream
}

fn refuses_and_recovers(error: &str, sync: &str) {
    let mut faulty = Faulty::start(&["--sync", sync, "--window-events", "16"]);
    let mut stream = open_stream(&faulty.server);
    let mut kept: Vec<String> = (0..40).map(|n| format!("before {n}")).collect();
    for data in &kept {
        assert_eq!(faulty.publish(data).status, 200);
    }
    assert_eq!(health(&faulty.server), (200, "ok".into()));

    faulty.refuse_with(error);
    let refused = ["refused 0", "refused 1", "refused 2"];
    for data in refused {
        assert_refused(&faulty.publish(data));
    }
    assert_eq!(
        health(&faulty.server),
        (200, "unavailable".into()),
        "streams go on, so no balancer may take them away"
    );
    faulty.server.wait_for_log("publishes are refused");
    // A subscriber can still come, and gets what memory holds.
    let mut late = faulty.server.subscribe("/events?topic=*&last=3");
    assert_eq!(late.data(3), kept[37..]);

    faulty.work_again();
    wait_until("publishes work again", || {
        faulty.publish("again").status == 200
    });
    assert_eq!(health(&faulty.server), (200, "ok".into()));
    assert_eq!(faulty.publish("after").status, 200);
    // What the server did not know to have been kept may be there, once.
    let held: Vec<String> = replay(&faulty.server)
        .into_iter()
        .map(|(_, data)| data)
        .collect();
    let sure: Vec<_> = held
        .iter()
        .filter(|data| !refused.contains(&&data[..]))
        .collect();
    kept.extend(["again".into(), "after".into()]);
    assert_eq!(sure, kept.iter().collect::<Vec<_>>());
    assert_eq!(
        stream.data(held.len()),
        held,
        "an open stream saw all of it"
    );
    assert_eq!(late.data(held.len() - 40), held[40..]);

    // And so it stays.
    let Faulty { server, log } = faulty;
    drop(server);
    let again: Vec<String> = replay(&log.start(&[]))
        .into_iter()
        .map(|(_, data)| data)
        .collect();
    assert_eq!(again, held);
}

#[test]
fn a_full_disk_rejects_publishes_only_until_it_has_room() {
    refuses_and_recovers("ENOSPC", "always");
}

#[test]
fn a_full_disk_rejects_publishes_only_also_without_syncs() {
    refuses_and_recovers("ENOSPC", "never");
}

#[test]
fn a_failing_disk_rejects_publishes_only_until_it_works() {
    refuses_and_recovers("EIO", "always");
}

#[test]
fn a_disk_that_turns_read_only_rejects_publishes_only_until_it_is_writable() {
    refuses_and_recovers("EROFS", "10ms");
}

/// Publishes until told to end; each event again, with its own id, until it is answered with success.
fn publish_until(server: &Server, publisher: usize, is_over: &AtomicBool) -> Vec<(String, Id)> {
    let mut connection = Publisher::connect(server.address).unwrap();
    let mut answered = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let data = format!("p{publisher}-{}", answered.len());
        let path = format!("/events?id={data}");
        loop {
            let (status, body) = connection.post(&path, "text/plain", &data).unwrap();
            if status == 200 {
                answered.push((data, id_of(body.split('"').nth(3).unwrap())));
                break;
            }
            assert_eq!(status, 503, "{body}");
        }
    }
    answered
}

#[test]
fn a_disk_that_is_full_at_times_loses_and_repeats_nothing() {
    const PUBLISHERS: usize = 3;
    const TIMES: usize = 4;
    let faulty = Faulty::start(&["--sync", "always"]);
    let mut stream = open_stream(&faulty.server);
    let is_over = AtomicBool::new(false);
    let answered: HashMap<String, Id> = thread::scope(|scope| {
        let publishers: Vec<_> = (0..PUBLISHERS)
            .map(|publisher| {
                let (server, is_over) = (&faulty.server, &is_over);
                scope.spawn(move || publish_until(server, publisher, is_over))
            })
            .collect();
        for _ in 0..TIMES {
            faulty.refuse_with("ENOSPC");
            wait_until("it notices", || health(&faulty.server).1 == "unavailable");
            faulty.work_again();
            wait_until("it works again", || health(&faulty.server).1 == "ok");
        }
        is_over.store(true, Ordering::Relaxed);
        let publishers = publishers.into_iter();
        publishers
            .flat_map(|publisher| publisher.join().unwrap())
            .collect()
    });
    let held = replay(&faulty.server);
    assert_eq!(held.len(), answered.len(), "each once");
    for (id, data) in &held {
        assert_eq!(answered.get(data), Some(id), "{data}");
    }
    let seen: Vec<_> = (0..held.len())
        .map(|_| stream.event().unwrap().data)
        .collect();
    assert!(held.iter().map(|(_, data)| data).eq(&seen));
}
