//! A history whose clock was a year ahead and is right again: what every kind of history has to do.

use std::{fs, path::Path};

use super::{Server, wait_until};

pub const YEAR: u64 = 366 * 24 * 3_600;

/// Sets a clock that [`with_clock`](crate::shim::with_clock) reads.
pub fn set(file: &Path, seconds_ahead: u64) {
    let new = file.with_extension("new");
    fs::write(&new, seconds_ahead.to_string()).expect("it is written");
    fs::rename(new, file).expect("it is in place");
}

/// The data and times of the events in a page of history.
pub fn read(server: &Server, query: &str) -> Vec<(String, String)> {
    let head = format!("GET /events?topic=*&{query} HTTP/1.1\nAccept: application/json");
    let response = server.request(&head, b"");
    assert_eq!(response.status, 200, "{response:?}");
    let events = response.json()["events"]
        .as_array()
        .expect("events")
        .clone();
    let text =
        |event: &serde_json::Value, name: &str| event[name].as_str().expect("text").to_owned();
    let events = events.iter();
    events
        .map(|event| (text(event, "data"), text(event, "time")))
        .collect()
}

pub fn data(server: &Server, query: &str) -> Vec<String> {
    let events = read(server, query).into_iter();
    events.map(|(data, _)| data).collect()
}

/// Publishes while the clock is a year ahead, and after it was set right; reads by time go by the right time then.
/// Returns all events, with their times.
pub fn goes_back(server: &Server, clock: &Path) -> Vec<(String, String)> {
    set(clock, YEAR);
    let mut ids: Vec<_> = (0..20)
        .map(|n| server.publish("a", &format!("ahead {n}")))
        .collect();
    let before = now();
    set(clock, 0);
    // Redis may use the time of the command before.
    wait_until("the new clock is in use", || {
        ids.push(server.publish("a", "turning"));
        let times = read(server, "since=earliest");
        times.last().is_some_and(|(_, time)| *time <= now())
    });
    for n in 0..20 {
        ids.push(server.publish("a", &format!("right {n}")));
    }
    let positions: Vec<(u64, u64)> = ids
        .iter()
        .map(|id| {
            let (ms, sequence) = id.split_once('-').expect("an id");
            (ms.parse().expect("an id"), sequence.parse().expect("an id"))
        })
        .collect();
    assert!(positions.is_sorted_by(|one, next| one < next), "{ids:?}");
    let count = ids.len();
    let all = read(server, "since=earliest");
    assert_eq!(all.len(), count);
    assert_eq!(data(server, "since=1h").len(), count, "none is older");
    assert_eq!(data(server, "since=2000-01-01").len(), count);
    let times: Vec<_> = all.iter().map(|(_, time)| time.clone()).collect();
    let turned = count - 21;
    assert!(times[..turned].iter().all(|time| time[..4] > before[..4]));
    let after = now();
    for time in &times[turned..] {
        assert!(
            (&before..=&after).contains(&time),
            "{before} {time} {after}"
        );
    }
    // A time between two events separates them.
    let middle = &times[count - 10];
    let late = data(server, &format!("since={middle}"));
    let first = (turned..count).find(|n| times[*n] == *middle).expect("one");
    assert_eq!(late.len(), count - first, "{times:?}");
    wait_until("all of it is older than a second", || {
        data(server, "since=1s").is_empty()
    });
    server.publish("a", "new");
    assert_eq!(data(server, "since=1s"), ["new"]);
    read(server, "since=earliest")
}

fn now() -> String {
    let now = std::time::SystemTime::now();
    humantime::format_rfc3339_millis(now).to_string()
}
