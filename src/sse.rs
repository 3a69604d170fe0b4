//! The wire of the WHATWG's server-sent events: its fields and blocks, what a stream says about itself as a
//! [`Notice`], and the [`Sender`] end of one stream.

mod expiry;
mod frame;
mod lines;
mod notice;
mod position;
mod sender;
mod timers;

use std::time::Duration;

pub(crate) use sender::{Cursor, Ending};
pub(crate) use timers::Ping;

pub use expiry::EXPIRING_BEFORE_END;
pub use frame::{Frame, PING};
pub use lines::{end_block, json, write_data, write_field};
pub use notice::{Gap, Notice};
pub use position::{InvalidPosition, Position, PositionCipher};
pub use sender::Sender;

/// Shortest interval of a visible heartbeat.
pub const MIN_HEARTBEAT: Duration = Duration::from_secs(1);
/// Longest interval of a visible heartbeat.
pub const MAX_HEARTBEAT: Duration = Duration::from_secs(60 * 60);
