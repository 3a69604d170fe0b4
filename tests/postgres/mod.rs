//! Nodes on one real PostgreSQL: what one takes, every other delivers, once and in order, and what an application
//! publishes in its transaction comes if and only if that commits. Where something cannot be had any more, there is a
//! gap.

mod appends;
mod away;
mod document;
mod erasing;
mod failover;
mod faults;
mod hub;
mod latest;
mod nodes;
mod outbox;
mod presence;
mod retention;
mod roles;
mod schema;
mod tls;
mod topic_rules;
