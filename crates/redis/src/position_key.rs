//! A key that all nodes share, beside the log.

use ::redis::{RedisError, aio::MultiplexedConnection};

use super::{refusal, shared::Shared};
use sse_broadcaster::history::Unavailable;

const KEY_BYTES: usize = 16;

/// The key in Redis; `new` is set if there is none. One of several nodes that set one at the same time wins.
pub(super) async fn keep(
    shared: &Shared,
    new: [u8; KEY_BYTES],
) -> Result<[u8; KEY_BYTES], Unavailable> {
    let Some(mut connection) = shared.appends.get() else {
        return Err(shared.unavailable());
    };
    let kept = get_or_set(&shared.keys.position_key, new, &mut connection.multiplexed).await;
    let text = kept.map_err(|error| {
        if refusal::is_lost(&error) {
            shared.appends.drop_broken(&connection);
        }
        shared.unavailable_by(error)
    })?;
    let digits = text.filter(|text| text.len() == 2 * KEY_BYTES);
    let number = digits.and_then(|digits| u128::from_str_radix(&digits, 16).ok());
    match number {
        Some(number) => Ok(number.to_be_bytes()),
        None => Err(shared.unavailable_for(format_args!(
            "the value of {} is no key: delete it",
            shared.keys.position_key
        ))),
    }
}

async fn get_or_set(
    key: &str,
    new: [u8; KEY_BYTES],
    connection: &mut MultiplexedConnection,
) -> Result<Option<String>, RedisError> {
    let mut get = ::redis::cmd("GET");
    get.arg(key);
    let known: Option<String> = get.query_async(connection).await?;
    if known.is_some() {
        return Ok(known);
    }
    let text = format!("{:032x}", u128::from_be_bytes(new));
    let mut set = ::redis::cmd("SET");
    set.arg(key).arg(text).arg("NX");
    let _: Option<String> = set.query_async(connection).await?;
    get.query_async(connection).await
}
