//! Who may publish, whose pages may read, and how many streams an address may have. Every route that writes or
//! streams is checked here, and nowhere else.

mod address_limit;
mod gate;
pub(crate) mod host;
mod key_ring;
mod publish_policy;
mod rules;

pub use address_limit::AddressSlot;
pub use gate::Gate;
pub use key_ring::{KeyRing, Permit, Replaced};
pub use rules::{Access, Publishers};
