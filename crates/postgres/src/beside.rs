//! What nodes keep beside the log: the key of positions, and their figures.

use std::time::Duration;

use tokio_postgres::{Row, Statement, types::ToSql};

use super::{
    address::Address,
    error::{PgError, within},
    rows::{get, milliseconds},
    shared::Shared,
    statements::Statements,
};
use sse_broadcaster::{
    event::EventId,
    history::{NameKind, NameRange, Names, Unavailable},
};
use sse_broadcaster_remote::SharedConnection;

const KEY_BYTES: usize = 16;
/// Most nodes whose figures are returned, those that reported last.
const MAX_NODES: i32 = 200;

/// The key that is kept; `new` is, if there is none. One of several nodes that set one at the same time wins.
pub(super) async fn keep_position_key(
    shared: &Shared,
    new: [u8; KEY_BYTES],
) -> Result<[u8; KEY_BYTES], Unavailable> {
    let rows = change(
        shared,
        &shared.appends,
        |statements| &statements.keep_position_key,
        &[&&new[..]],
    )
    .await?;
    let kept = rows.first().map(|row| get::<Vec<u8>>(row, 0)).transpose();
    let kept = kept.map_err(|error| shared.unavailable_by(error))?;
    kept.and_then(|kept| kept.try_into().ok()).ok_or_else(|| {
        shared.unavailable_for("settings.position_key is no key of 16 bytes: set it to NULL")
    })
}

/// Writes the figures of this node, and returns those of all nodes that have reported within `keep`.
pub(super) async fn report_node(
    shared: &Shared,
    node: &str,
    figures: &str,
    keep: Duration,
) -> Result<Vec<String>, Unavailable> {
    let keep_ms = milliseconds(keep);
    let parameters: [&(dyn ToSql + Sync); 4] = [&node, &figures, &keep_ms, &MAX_NODES];
    let rows = change(
        shared,
        &shared.appends,
        |statements| &statements.report_node,
        &parameters,
    )
    .await?;
    let figures = rows.iter().map(|row| get(row, 0));
    let figures = figures.collect::<Result<_, PgError>>();
    figures.map_err(|error| shared.unavailable_by(error))
}

/// Runs a statement that changes something, once, by this connection.
pub(super) async fn change(
    shared: &Shared,
    by: &SharedConnection<Address>,
    statement: impl Fn(&Statements) -> &Statement,
    parameters: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>, Unavailable> {
    let connection = shared.connection(by).await?;
    let asked = connection
        .client
        .query(statement(&connection.statements), parameters);
    within(shared.address.timeout, asked)
        .await
        .map_err(|error| {
            if error.is_lost() {
                by.drop_broken(&connection);
            }
            shared.unavailable_by(error)
        })
}

pub(super) async fn names(
    shared: &Shared,
    kind: NameKind,
    range: NameRange<'_>,
) -> Result<Names, Unavailable> {
    // One more, which tells whether there are more.
    let most = i32::try_from(range.limit.saturating_add(1)).unwrap_or(i32::MAX);
    let rows = match kind {
        NameKind::Topics => {
            let parameters: [&(dyn ToSql + Sync); 3] = [&range.prefix, &range.after, &most];
            super::read::ask(shared, |statements| &statements.topic_names, &parameters).await?
        }
        NameKind::RetainedKeys => {
            let (prefix, after) = (range.prefix.as_bytes(), range.after.as_bytes());
            let parameters: [&(dyn ToSql + Sync); 3] = [&prefix, &after, &most];
            super::read::ask(shared, |statements| &statements.retained_keys, &parameters).await?
        }
        _ => return Ok(Names::default()),
    };
    let found = rows.iter().take(range.limit).map(|row| {
        let name = match kind {
            NameKind::Topics => get::<String>(row, 0)?,
            _ => String::from_utf8_lossy(get(row, 0)?).into_owned(),
        };
        Ok((name, super::rows::get_id(row, 1)?))
    });
    let found: Result<Vec<(String, EventId)>, PgError> = found.collect();
    Ok(Names {
        found: found.map_err(|error| shared.unavailable_by(error))?,
        more: rows.len() > range.limit,
    })
}
