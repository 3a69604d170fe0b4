//! The promises of the core under any interleaving: positions strictly increase, every subscriber receives exactly
//! the events of its topics, and what it cannot receive is announced by a gap, once and never falsely.
//!
//! - `steps.rs`: one thread with random steps, which are shrunk when one fails. What is woken, what is polled, and
//!   where a stream is cut are steps, too.
//! - `threads.rs`: real threads, each with a runtime and a shard of its own, or all with one.
//! - `epochs.rs`: history that continues as another log.
//! - `cases.rs`: single cases that these have found.
//!
//! `PROPTEST_CASES` sets how many sequences are drawn, and `MODEL_SEED` the seed.

mod cases;
mod epochs;
mod gate;
mod oracle;
mod seed;
mod steps;
mod threads;
mod wire;
mod world;
