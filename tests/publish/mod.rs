//! Publishing: what is taken and how, what is refused and how it is said, over real sockets.

mod bodies;
mod bounds;
mod fields;
mod idempotency_keys;
mod kinds;
mod lines;
mod refused;
mod uploads;
