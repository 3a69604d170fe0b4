//! Who may publish, what clients may read, whose pages may read, and how many streams an address may have. Every
//! route that reads, writes or streams is checked here, and nowhere else.

mod address_limit;
mod admin;
mod authorization;
mod bearer;
mod client;
mod current_rules;
mod gate;
mod grant_topic;
mod granted_access;
pub(crate) mod host;
mod key_ring;
mod permit;
mod position_key;
mod publish_policy;
mod publisher;
mod read_rules;
mod rules;
mod sent_credentials;
mod settings;
mod shared_accesses;

pub use address_limit::AddressSlot;
pub use admin::check_admin;
pub use authorization::{Authorization, TOKEN_PARAMETER};
pub use client::Client;
pub use gate::Gate;
pub use grant_topic::REVOCATIONS_TOPIC;
pub use key_ring::{KeyRing, Replaced};
pub use permit::Permit;
pub use position_key::{POSITION_KEY_BYTES, PositionKey};
pub(crate) use publisher::publisher;
pub use read_rules::SubscribeAccess;
pub use rules::{Access, AdmittedOrigin, Publishers};
pub use sent_credentials::SentCredentials;
pub use settings::DEFAULT_TOKEN_COOKIE;
