//! Three nodes on one real Redis: what one takes, every other delivers, once and in order, whatever
//! becomes of nodes, of Redis, and of the way between them. Where something cannot be had any more,
//! there is a gap.

mod away;
mod clock;
pub mod crowd;
mod dictionaries;
mod erasing;
mod failover;
mod faults;
mod follower;
mod histories;
mod keys;
mod latest;
mod losing;
pub mod nodes;
mod own;
pub mod pair;
mod presence;
pub mod proxy;
mod refusals;
mod shared;
mod signals;
mod staggered;
mod tls;
mod traces;
