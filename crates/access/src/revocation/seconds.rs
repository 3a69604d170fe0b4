//! A time in JSON: UNIX seconds, as in tokens, to the millisecond.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Millis, millis};
use crate::token::from_unix;

#[expect(clippy::ref_option, reason = "serde asks for it")]
pub(super) fn serialize<S: Serializer>(
    at: &Option<Millis>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    // Exact for some hundred thousand years.
    #[expect(clippy::cast_precision_loss)]
    at.map(|at| at as f64 / 1_000.0).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Millis>, D::Error> {
    // Half a millisecond more, as a fraction is rarely exact.
    let seconds = Option::<f64>::deserialize(deserializer)?;
    Ok(seconds.map(|seconds| millis(from_unix(seconds + 0.000_5))))
}
