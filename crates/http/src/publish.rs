//! Parses what a client publishes, from a query, a path, a form, text, JSON or lines of JSON. No other module does.

pub(crate) mod body;
mod json;
mod lines;
mod message;
mod request;

pub use body::max_json;
pub(crate) use body::{BodyKind, MediaType, form, max_object, objects, text};
pub(crate) use lines::publish as publish_lines;
pub use message::PublishMessage;
pub use request::PublishRequest;
