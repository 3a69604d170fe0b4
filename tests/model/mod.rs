//! The core's promises under any interleaving: positions strictly increase, every subscriber has
//! exactly what its topics say, and what it cannot have is announced, once and never falsely.
//!
//! - `steps.rs`: one thread, every step drawn at random and shrunk when one fails; who is woken, who
//!   is polled, and where a stream is cut are steps too.
//! - `threads.rs`: real threads, each with a runtime and a shard of its own, or all with one.
//! - `epochs.rs`: history that goes on as another log.
//! - `cases.rs`: what these found, one by one.
//!
//! `PROPTEST_CASES` sets how many stories are drawn, `MODEL_SEED` draws other ones.

mod cases;
mod epochs;
mod gate;
mod oracle;
mod seed;
mod steps;
mod threads;
mod wire;
mod world;
