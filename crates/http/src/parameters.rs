//! The query parameters of streams, pages of history and lists.

pub(crate) mod heartbeat;
mod last_event_id;
mod page_request;
pub mod query;
mod signals_request;
mod since;
mod stream_request;
mod time;

pub use last_event_id::last_event_id;
pub use page_request::{PageRequest, read_limit};
pub use signals_request::{PARAMETERS as SIGNALS_PARAMETERS, SignalsRequest};
pub use stream_request::{PARAMETERS, StreamRequest};
