//! The rows of the table, by what they measure.

pub mod access;
pub mod fairness;
pub mod flood;
pub mod growth;
pub mod idle;
pub mod publishers;
pub mod reconnect;
pub mod responses;
pub mod steady;
pub mod tls;
pub mod tls_handshakes;
pub mod topics;
