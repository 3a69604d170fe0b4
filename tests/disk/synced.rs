//! When the response to a publish is sent, traced by system calls: the pages of a killed process stay in the kernel,
//! so only a trace shows that no response precedes the sync of its event.

use std::{fs, process::Command, thread};

use crate::{
    disk::log::{Id, Log, Publisher},
    support::{Server, wait_until},
};

const EVENTS: usize = 40;

/// A call as it was traced: the lines at which it began and ended, and what it says.
struct Call {
    began: usize,
    ended: usize,
    text: String,
}

/// The calls of a trace, those that were interrupted by others' put together.
fn calls_of(trace: &str) -> Vec<Call> {
    let mut calls: Vec<Call> = Vec::new();
    let mut unfinished = std::collections::HashMap::new();
    for (number, line) in trace.lines().enumerate() {
        let Some((thread, text)) = line.trim_start().split_once(' ') else {
            continue;
        };
        if text.contains("<unfinished ...>") {
            unfinished.insert(thread, calls.len());
        } else if text.contains(" resumed>") {
            if let Some(call) = unfinished.remove(thread) {
                let call: &mut Call = &mut calls[call];
                call.ended = number;
                call.text.push_str(text);
            }
            continue;
        }
        calls.push(Call {
            began: number,
            // Until it is resumed, it has not ended.
            ended: if text.contains("<unfinished ...>") {
                usize::MAX
            } else {
                number
            },
            text: text.to_owned(),
        });
    }
    calls
}

/// A server under strace, which is another process of its own: the server is the child.
fn trace(log: &Log, sync: &str) -> Server {
    let server = log.command(&["--sync", sync]);
    let mut command = Command::new("strace");
    command
        .args(["-D", "-f", "-ttt", "-y", "-s", "100000", "-e"])
        .arg("trace=write,pwrite64,writev,fsync,fdatasync,sendto,sendmsg,exit_group")
        .arg("-o")
        .arg(log.beside("trace"))
        .arg(server.get_program())
        .args(server.get_args());
    for (name, value) in server.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Server::spawn(command)
}

/// Publishes by so many at once, and returns the trace and what was answered.
fn published(sync: &str, publishers: usize) -> (Vec<Call>, Vec<(String, Id)>) {
    let log = Log::new();
    let server = trace(&log, sync);
    let address = server.address;
    let publish = |publisher: usize| {
        let mut connection = Publisher::connect(address).unwrap();
        let publish = move |number| {
            let data = format!("<data {publisher} {number}>");
            let id = connection.text("/events", &data).unwrap();
            (data, id)
        };
        (0..EVENTS).map(publish).collect::<Vec<_>>()
    };
    let answered = thread::scope(|scope| {
        let publishers: Vec<_> = (0..publishers)
            .map(|publisher| scope.spawn(move || publish(publisher)))
            .collect();
        publishers
            .into_iter()
            .flat_map(|publisher| publisher.join().unwrap())
            .collect()
    });
    drop(server);
    let text = || fs::read_to_string(log.beside("trace")).unwrap_or_default();
    wait_until("the trace is whole", || {
        text().contains("+++ killed by SIGKILL")
    });
    (calls_of(&text()), answered)
}

fn is_of_journal(call: &Call) -> bool {
    call.text.contains(".jnl>")
}

/// The write that brought this to the journal, and the one that answered it.
fn find<'a>(calls: &'a [Call], data: &str, id: Id) -> (&'a Call, &'a Call) {
    let response = format!("{}-{}", id.0, id.1);
    let written = calls
        .iter()
        .filter(|call| is_of_journal(call))
        .find(|call| call.text.contains(data));
    let answered = calls
        .iter()
        .find(|call| call.text.contains("HTTP/1.1 200") && call.text.contains(&response));
    (
        written.unwrap_or_else(|| panic!("no write of {data} to the journal")),
        answered.unwrap_or_else(|| panic!("no response with {response}")),
    )
}

fn nothing_is_answered_before_its_sync(publishers: usize) {
    let (calls, answered) = published("always", publishers);
    let syncs: Vec<_> = calls
        .iter()
        .filter(|call| is_of_journal(call))
        .filter(|call| call.text.contains(" fdatasync(") || call.text.contains(" fsync("))
        .collect();
    for (data, id) in &answered {
        let (written, response) = find(&calls, data, *id);
        let sync = syncs.iter().find(|sync| sync.began > written.ended);
        let sync = sync.unwrap_or_else(|| panic!("no sync after {data}"));
        assert!(
            sync.ended < response.began,
            "{data} was answered at line {}, and synced until {}",
            response.began,
            sync.ended
        );
        assert!(sync.text.ends_with("= 0"), "{}", sync.text);
    }
    assert!(syncs.len() <= answered.len() + 8, "{} syncs", syncs.len());
}

#[test]
fn a_publish_gets_its_response_after_the_sync_of_its_event() {
    nothing_is_answered_before_its_sync(1);
}

#[test]
fn many_publishers_share_syncs_and_no_response_comes_before_the_sync_of_its_event() {
    nothing_is_answered_before_its_sync(8);
}

#[test]
fn without_syncs_an_event_is_written_to_the_kernel_before_the_response() {
    let (calls, answered) = published("never", 2);
    let (mut first, mut last) = (usize::MAX, 0);
    for (data, id) in &answered {
        let (written, response) = find(&calls, data, *id);
        assert!(written.ended < response.began, "{data}");
        (first, last) = (first.min(written.began), last.max(response.began));
    }
    let syncs = calls.iter().filter(|call| call.text.contains("sync("));
    let between = syncs.filter(|sync| (first..last).contains(&sync.began));
    assert_eq!(between.count(), 0, "nobody asked for it");
}
