//! One step, and how it is applied to a world.

use sse_broadcaster::{Format, Start};

use crate::{
    model::gate::Reads,
    model::oracle::{Interest, idempotency_key, time},
    model::world::{NewEvent, World},
};

/// A step of a scenario. Clients are numbered modulo their count.
#[derive(Debug, Clone)]
pub(super) enum Step {
    Publish {
        batch: Vec<NewEvent>,
        data_bytes: usize,
    },
    Flood {
        events: u16,
        topics: u8,
        data_bytes: usize,
    },
    DropAPublisher,
    Walk,
    ReplaceWalkers,
    Ping,
    Join {
        interest: Interest,
        json: bool,
        from: Begin,
        tells_head: bool,
    },
    Connect {
        client: u16,
    },
    Poll {
        client: u16,
        times: u8,
    },
    PollSome {
        first: u16,
        count: u16,
    },
    Move {
        client: u16,
    },
    Receive {
        client: u16,
        bytes: u16,
    },
    Cut {
        client: u16,
        bytes: u16,
    },
    CutSome {
        first: u16,
        count: u16,
    },
    Reads(Reads),
    ExpireEvents,
    Settle,
}

#[derive(Debug, Clone)]
pub(super) enum Begin {
    Live,
    /// After the event that is so many before the newest.
    After(u16),
    Key(u8),
    Garbage(u8),
    /// Since the time of the event that is so many before the newest.
    Since(u16),
    Earliest,
    Last(usize),
}

fn start(world: &World, from: &Begin) -> Start {
    let events = &world.log.events;
    let back = |by: u16| events.len() - usize::from(by) % (events.len() + 1);
    match *from {
        Begin::Live => Start::Live,
        Begin::After(by) => Start::After(world.log.before(back(by)).to_string()),
        Begin::Key(number) => Start::After(idempotency_key(number)),
        Begin::Garbage(which) => {
            let garbage = ["", "1-1", "99999999999999-7", "\u{fc}ber\n"];
            Start::After(garbage[usize::from(which)].into())
        }
        Begin::Since(by) => Start::Since(time(world.log.before(back(by)))),
        Begin::Earliest => Start::Earliest,
        Begin::Last(count) => Start::Last(count),
    }
}

fn flood(world: &mut World, events: u16, topics: u8, data_bytes: usize) {
    let event = NewEvent {
        topics,
        private: false,
        key: None,
    };
    world.publish(vec![event; usize::from(events)], data_bytes);
}

pub(super) fn apply(world: &mut World, step: Step) {
    let clients = world.clients.len();
    let of = |client: u16| usize::from(client) % clients;
    match step {
        Step::Publish { batch, data_bytes } => world.publish(batch, data_bytes),
        Step::Flood {
            events,
            topics,
            data_bytes,
        } => flood(world, events, topics, data_bytes),
        Step::DropAPublisher => world.drop_a_publisher(),
        Step::Walk => drop(world.walk()),
        Step::ReplaceWalkers => world.replace_walkers(),
        Step::Ping => world.ping(),
        Step::Join {
            interest,
            json,
            from,
            tells_head,
        } => {
            let format = if json { Format::Json } else { Format::Sse };
            let start = start(world, &from);
            world.join(interest, format, start, tells_head);
        }
        Step::Reads(reads) => world.set_reads(reads),
        Step::ExpireEvents => world.expire_events(),
        Step::Settle => world.settle(),
        _ if clients == 0 => {}
        Step::Connect { client } => world.connect(of(client)),
        Step::Poll { client, times } => {
            for _ in 0..times {
                world.poll(of(client));
            }
        }
        Step::PollSome { first, count } => {
            for client in of(first)..(of(first) + usize::from(count)).min(clients) {
                world.poll(client);
            }
        }
        Step::Move { client } => world.move_to_another_task(of(client)),
        Step::Receive { client, bytes } => world.receive(of(client), bytes.into()),
        Step::Cut { client, bytes } => world.cut(of(client), bytes.into()),
        Step::CutSome { first, count } => {
            for client in of(first)..(of(first) + usize::from(count)).min(clients) {
                world.cut(client, usize::MAX);
            }
        }
    }
}
