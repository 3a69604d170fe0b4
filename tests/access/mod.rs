//! Who may publish, which pages may read, and the responses to each, over real sockets.

mod cors;
mod hosts;
mod keys;
mod positions;
mod private;
mod publish_policy;
mod responses;
mod revocations;
mod sockets;
mod token_settings;
mod tokens;
