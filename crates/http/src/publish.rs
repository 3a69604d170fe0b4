//! What a client publishes: parsed here alone, from a query, a path, a form, text, JSON or lines.

pub(crate) mod body;
mod json;
mod lines;
mod request;

pub use body::{BYTE_ORDER_MARK, max_json, objects, raw};
pub(crate) use body::{BodyKind, check_coding, form, max_object, media_type, text};
pub use json::{Member, members, twice, wrong_type};
pub(crate) use lines::publish as publish_lines;
pub use request::PublishRequest;
