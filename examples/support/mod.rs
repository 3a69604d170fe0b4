//! What the examples share: scripts of others for their pages, the settings that each has, a log on
//! disk, and a server that ends well.

pub mod access;
pub mod assets;
pub mod log;
pub mod private;
pub mod server;
pub mod settings;
