//! Keys of operators, for the routes of administration.

use super::{key_ring::KeyRing, publish_policy::bearer};
use crate::{Refusal, RequestHead};

/// Checks that the request has one of these keys, as `Authorization: Bearer KEY`.
///
/// # Errors
/// 401 `key_missing` or `wrong_key`.
pub fn check_admin_key(keys: &KeyRing, request: &impl RequestHead) -> Result<(), Refusal> {
    let sent = request.header("authorization").and_then(bearer);
    match sent.map(|key| keys.admit(key)) {
        Some(Some(_)) => Ok(()),
        Some(None) => Err(Refusal::unauthorized(
            "wrong_key",
            "the key is not one of this server's keys of operators (--admin-key)",
        )),
        None => Err(Refusal::unauthorized(
            "key_missing",
            "this needs a key: send the header \"Authorization: Bearer <key>\" with a key of operators \
             (--admin-key)",
        )),
    }
}
