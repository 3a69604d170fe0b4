//! The parameters of streams, pages and lists, as a query has them.

pub(crate) mod heartbeat;
pub mod query;
mod signals_request;
mod since;
mod stream_request;

pub use signals_request::{PARAMETERS as SIGNALS_PARAMETERS, SignalsRequest};
pub use stream_request::{PARAMETERS, PageRequest, StreamRequest, last_event_id, read_limit};
