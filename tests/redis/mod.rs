//! Three nodes on one real Redis: what one takes, every other delivers, once and in order, whatever
//! becomes of nodes, of Redis, and of the way between them. Where something cannot be had any more,
//! there is a gap.

mod away;
mod clock;
mod crowd;
mod failover;
mod faults;
mod follower;
mod keys;
mod losing;
mod nodes;
mod pair;
mod presence;
mod proxy;
mod refusals;
mod shared;
mod signals;
mod staggered;
mod tls;
