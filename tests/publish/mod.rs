//! Publishing over real sockets: what is accepted, what is rejected, and with which response.

mod bodies;
mod bounds;
mod compressed;
mod fields;
mod idempotency_keys;
mod kinds;
mod lines;
mod paths;
mod refused;
mod uploads;
