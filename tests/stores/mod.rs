//! What every store of presence, and of a hub's subscriptions, promises: the same tests for each of them.

mod in_postgres;
mod presence;
mod subscriptions;

use std::{sync::Arc, time::Duration};

use sse_broadcaster::history::History;
use sse_broadcaster_postgres::{Postgres, PostgresOptions};
use sse_broadcaster_presence::{MemoryStore, MemorySubscriptions, Store, SubscriptionStore};
use sse_broadcaster_redis::{Redis, RedisOptions};
use tokio::runtime::Runtime;

use crate::support::{
    postgres::{PostgresServer, new_schema},
    redis::RedisServer,
    wait_until,
};

/// Longer than by default: it shares the machine with many tests.
const DATABASE_TIMEOUT: Duration = Duration::from_secs(10);
/// Of nodes that report all the time. One that does not is dead two and a half times later.
const HEARTBEAT: Duration = Duration::from_millis(200);

/// Where the stores of several nodes have one state.
pub struct Place {
    runtime: Runtime,
    kept_in: KeptIn,
}

enum KeptIn {
    /// One node alone.
    Memory(Arc<MemoryStore>, Arc<MemorySubscriptions>),
    Redis(
        Redis,
        #[expect(dead_code, reason = "ends with it")] RedisServer,
    ),
    Postgres(Postgres, Arc<PostgresServer>, String),
}

impl Place {
    fn new(open: impl FnOnce() -> KeptIn) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let entered = runtime.enter();
        let kept_in = open();
        drop(entered);
        let history: Option<&dyn History> = match &kept_in {
            KeptIn::Memory(..) => None,
            KeptIn::Redis(redis, _) => Some(redis),
            KeptIn::Postgres(postgres, ..) => Some(postgres),
        };
        wait_until("it is reached", || {
            history.is_none_or(|history| history.health().is_ok())
        });
        Self { runtime, kept_in }
    }

    pub fn in_memory() -> Self {
        Self::new(|| KeptIn::Memory(Arc::default(), Arc::default()))
    }

    pub fn in_redis() -> Self {
        Self::new(|| {
            let server = RedisServer::start();
            let options = RedisOptions::new(format!("redis://{}", server.address()));
            let redis = Redis::connect(options.timeout(DATABASE_TIMEOUT));
            KeptIn::Redis(redis.unwrap(), server)
        })
    }

    pub fn in_postgres() -> Self {
        Self::new(|| {
            let (server, schema) = (PostgresServer::shared(), new_schema());
            let options = PostgresOptions::new(server.url()).schema(&*schema);
            let postgres = Postgres::connect(options.timeout(DATABASE_TIMEOUT));
            KeptIn::Postgres(postgres.unwrap(), server, schema)
        })
    }

    /// That of one more node.
    fn presence(&self) -> Arc<dyn Store> {
        match &self.kept_in {
            KeptIn::Memory(store, _) => Arc::clone(store) as _,
            KeptIn::Redis(redis, _) => Arc::new(redis.presence()),
            KeptIn::Postgres(postgres, ..) => Arc::new(postgres.presence()),
        }
    }

    /// That of one more node.
    fn subscriptions(&self) -> Arc<dyn SubscriptionStore> {
        match &self.kept_in {
            KeptIn::Memory(_, store) => Arc::clone(store) as _,
            KeptIn::Redis(redis, _) => Arc::new(redis.subscriptions()),
            KeptIn::Postgres(postgres, ..) => Arc::new(postgres.subscriptions()),
        }
    }
}

/// A test of each promise for each place; the second group is of several nodes.
macro_rules! promises {
    ($($file:ident: $($any:ident),*; of_several_nodes: $($shared:ident),*;)*) => {
        mod memory {
            $($(#[test]
            fn $any() {
                super::$file::$any(&super::Place::in_memory());
            })*)*
        }
        mod redis {
            $($(#[test]
            fn $any() {
                super::$file::$any(&super::Place::in_redis());
            })*
            $(#[test]
            fn $shared() {
                super::$file::$shared(&super::Place::in_redis());
            })*)*
        }
        mod postgres {
            $($(#[test]
            fn $any() {
                super::$file::$any(&super::Place::in_postgres());
            })*
            $(#[test]
            fn $shared() {
                super::$file::$shared(&super::Place::in_postgres());
            })*)*
        }
    };
}

promises! {
    presence:
        changes_are_told_in_their_order_and_what_changes_nothing_is_not_told,
        a_user_and_a_topic_may_come_and_go_within_one_write,
        users_are_listed_in_the_order_of_their_bytes_page_by_page_with_their_data,
        no_node_writes_a_signal_again_before_its_interval_is_over;
    of_several_nodes:
        a_user_of_two_nodes_joins_once_and_leaves_with_the_last,
        a_node_that_has_not_reported_cannot_write,
        one_node_at_a_time_publishes_and_only_what_is_the_oldest_is_removed,
        the_members_of_a_node_that_reports_no_more_leave_once,
        a_node_whose_members_are_not_there_is_told_so;
    subscriptions:
        a_batch_is_made_once_and_announces_each_of_its_changes_in_their_order,
        nothing_is_written_while_too_many_announcements_wait,
        subscriptions_are_listed_in_the_order_in_which_they_began;
    of_several_nodes:
        the_subscriptions_of_a_node_that_reports_no_more_end_once,
        what_a_node_writes_again_takes_the_place_of_what_it_had_written;
}
