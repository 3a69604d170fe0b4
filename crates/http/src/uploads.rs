//! What request bodies may take in all: bytes of memory until they are published, and connections while
//! they are slow to come.

mod budget;
mod upload;

pub use budget::{UploadLimits, Uploads};
pub(crate) use upload::{Await, Whole, read_whole};
pub use upload::{PART_TIMEOUT, Upload};
