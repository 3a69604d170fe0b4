//! Where the hub is.

/// The path of the hub.
pub const HUB_PATH: &str = "/.well-known/mercure";
/// The path of the hub's metadata.
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource/.well-known/mercure";
