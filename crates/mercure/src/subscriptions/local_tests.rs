use super::*;

fn subscriber(name: &str) -> Subscriber {
    Subscriber::new(Box::new([HubSubscription {
        matcher: "exact a".into(),
        subscriber: name.into(),
        payload: None,
    }]))
}

fn begin(local: &Local, name: &str) -> u64 {
    local.begin(subscriber(name)).expect("room")
}

fn take(local: &Local, least: usize) -> Vec<(String, bool)> {
    let changes = local.take(least).changes.into_iter();
    let named = |change: Change| {
        let name = &change.subscriber.subscriptions[0].subscriber;
        (name.to_string(), change.is_active)
    };
    changes.map(named).collect()
}

fn of(changes: &[(&str, bool)]) -> Vec<(String, bool)> {
    let changes = changes.iter();
    changes
        .map(|(name, is_active)| ((*name).to_owned(), *is_active))
        .collect()
}

fn is_empty(local: &Local) -> bool {
    let state = local.state.lock();
    state.known.is_empty() && state.waiting.is_empty() && state.bytes == 0 && state.short == 0
}

#[test]
fn a_short_connection_is_written_with_its_beginning_and_its_end_in_their_order() {
    let local = Local::default();
    let short = begin(&local, "short");
    let long = begin(&local, "long");
    local.end(short);
    local.end(short);
    let expected = [("short", true), ("long", true), ("short", false)];
    assert_eq!(take(&local, 2), of(&expected[..2]));
    assert_eq!(take(&local, 2), of(&expected[2..]));
    local.end(long);
    assert_eq!(take(&local, 2), of(&[("long", false)]));
    assert!(is_empty(&local));
}

#[test]
fn while_nothing_can_be_written_short_connections_take_bounded_memory_and_no_end_is_lost() {
    let local = Local::default();
    let open = begin(&local, "open");
    assert_eq!(take(&local, 1), of(&[("open", true)]));
    for _ in 0..MAX_SHORT * 2 {
        let number = begin(&local, "short");
        local.end(number);
    }
    local.end(open);
    assert_eq!(local.state.lock().waiting.len(), MAX_SHORT * 2 + 1);
    let taken = take(&local, usize::MAX);
    assert_eq!(taken.last(), of(&[("open", false)]).last());
    assert!(is_empty(&local));
}

#[test]
fn after_the_list_was_lost_what_is_open_is_written_again_and_what_has_ended_is_not() {
    let local = Local::default();
    let numbers = ["open", "ended"].map(|name| begin(&local, name));
    take(&local, 2);
    local.end(numbers[1]);
    let short = begin(&local, "short");
    local.end(short);
    local.forget_written();
    let mut taken = take(&local, 10);
    taken.sort();
    assert_eq!(
        taken,
        of(&[("open", true), ("short", false), ("short", true)])
    );
    local.end(numbers[0]);
    assert_eq!(take(&local, 10), of(&[("open", false)]));
    assert!(is_empty(&local));
}

#[test]
fn connections_beyond_the_bound_are_left_out_until_others_end() {
    let local = Local::bounded(subscriber("a").bytes * 2);
    let first = begin(&local, "a");
    begin(&local, "b");
    assert_eq!(local.begin(subscriber("c")), None);
    take(&local, 2);
    local.end(first);
    assert_eq!(local.begin(subscriber("c")), None);
    take(&local, 1);
    assert!(local.begin(subscriber("c")).is_some());
    local.end_all();
    assert_eq!(local.begin(subscriber("d")), None);
    take(&local, 10);
    assert!(is_empty(&local));
}

#[tokio::test(start_paused = true)]
async fn a_list_waits_for_what_was_noted_before_it_alone_and_no_longer_than_it_may() {
    let local = Local::default();
    local.written(Duration::MAX).await;
    begin(&local, "a");
    local.written(Duration::from_secs(1)).await;
    let taken = local.take(1);
    local.written_up_to.send_replace(taken.up_to);
    local.written(Duration::MAX).await;
    begin(&local, "b");
    begin(&local, "c");
    let taken = local.take(1);
    assert_eq!(
        (taken.changes.len(), taken.up_to + 1),
        (1, local.state.lock().next)
    );
}
