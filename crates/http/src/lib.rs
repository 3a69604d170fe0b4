//! Requests and refusals of the HTTP routes, as they are whatever framework reads and writes them.

mod heartbeat;
pub mod query;
mod refusal;
mod response;
mod signals_request;
mod since;
mod stream_request;

pub use refusal::{Progress, Refusal};
pub use response::{EVENT_HEAD, NO_SNIFF, STREAM_HEADERS, json_line};
pub use signals_request::{PARAMETERS as SIGNALS_PARAMETERS, SignalsRequest};
pub use stream_request::{PARAMETERS, PageRequest, StreamRequest, last_event_id, read_limit};
