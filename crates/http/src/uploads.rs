//! Bounds that all request bodies share: memory until they are published, and connections while they arrive slowly.

mod budget;
mod decoded;
mod upload;

pub use budget::{UploadLimits, Uploads};
pub(crate) use decoded::Decoded;
pub use decoded::{BodyCodings, Decoder, Malformed};
pub(crate) use upload::Await;
pub use upload::{PART_TIMEOUT, Upload, Whole, read_whole};
