//! Who may publish, what clients may read, whose pages may read, and how many streams an address may have. Every
//! route that reads, writes or streams is checked here, and nowhere else.

mod address_limit;
mod admin_key;
mod authorization;
mod client;
mod gate;
mod grant_topic;
mod granted_access;
pub(crate) mod host;
mod key_ring;
mod permit;
mod position_key;
mod publish_policy;
mod publisher;
mod rules;
mod sent_credentials;
mod shared_accesses;

pub use address_limit::AddressSlot;
pub use admin_key::check_admin_key;
pub use authorization::{
    Authorization, DEFAULT_TOKEN_COOKIE, REVOCATIONS_TOPIC, SubscribeAccess, TOKEN_PARAMETER,
};
pub use client::Client;
pub use gate::Gate;
pub use key_ring::{KeyRing, Replaced};
pub use permit::Permit;
pub use position_key::{POSITION_KEY_BYTES, PositionKey};
pub(crate) use publisher::publisher;
pub use rules::{Access, Publishers};
pub use sent_credentials::SentCredentials;
