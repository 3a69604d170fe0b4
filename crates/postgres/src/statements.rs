//! The statements of a connection, prepared once.

use tokio_postgres::{Client, Statement};

use super::{error::PgError, schema::Schema};

/// See the functions of the same names in `sql/`.
pub(super) struct Statements {
    pub(super) append: Statement,
    pub(super) erase: Statement,
    pub(super) waiting: Statement,
    pub(super) move_outbox: Statement,
    pub(super) trim: Statement,
    pub(super) empty_slot: Statement,
    pub(super) forget_topics: Statement,
    pub(super) forget_keys: Statement,
    pub(super) poll: Statement,
    pub(super) read: Statement,
    pub(super) newest: Statement,
    pub(super) topic_names: Statement,
    pub(super) retained_keys: Statement,
    pub(super) retained_values: Statement,
    pub(super) begin_epoch: Statement,
    pub(super) adopt: Statement,
    pub(super) keep_position_key: Statement,
    pub(super) report_node: Statement,
    pub(super) live: LiveStatements,
}

/// Those of presence and of a hub's subscriptions.
pub(super) struct LiveStatements {
    pub(super) pending: Statement,
    pub(super) published: Statement,
    pub(super) presence_write: Statement,
    pub(super) presence_beat: Statement,
    pub(super) presence_counts: Statement,
    pub(super) presence_page: Statement,
    pub(super) presence_claim: Statement,
    pub(super) subscriptions_write: Statement,
    pub(super) subscriptions_beat: Statement,
    pub(super) subscriptions_read: Statement,
}

const APPEND: &str = "SELECT status, current_epoch, ms, first_seq, repeat_at, repeat_ms, repeat_seq, \
    refused_batch, refused_key, refused_ms, refused_seq \
    FROM @schema@.append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)";
const ERASE: &str = "SELECT status, current_epoch, ms, seq, count, more, looked_ms, looked_seq \
    FROM @schema@.erase($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
const MOVE_OUTBOX: &str = "SELECT count, are_full \
    FROM @schema@.move_outbox($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)";
const POLL: &str = "SELECT (p.state).epoch, (p.state).birth_ms, (p.state).birth_seq, (p.state).floor_ms, \
    (p.state).floor_seq, (p.state).floor_number, (p.state).floor_bytes, (p.state).oldest_ms, (p.state).oldest_seq, \
    (p.state).number, (p.state).bytes, (p.state).server, (p.state).seen, p.here_tag, p.last_number, \
    p.ms, p.seq, p.time_ms, p.tags, p.packed, (p.state).erased_events, (p.state).erased_bytes \
    FROM @schema@.poll($1, $2, $3, $4) AS p";
const READ: &str = "SELECT is_current, after_ms, after_seq, gap, oldest_ms, oldest_seq, read_ms, read_seq, \
    ms, seq, time_ms, packed FROM @schema@.read($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const NEWEST: &str = "SELECT is_current, is_all, ms, seq, time_ms, tags, numbers, packed \
    FROM @schema@.newest($1, $2, $3, $4, $5, $6)";
const PENDING: &str =
    "SELECT key, kind, name, member, data, users FROM @schema@.live_pending($1, $2, $3, $4)";
/// No topics lose subscriptions.
const SUBSCRIPTIONS_BEAT: &str = "SELECT is_whole, has_more, '{}'::bytea[] \
    FROM @schema@.subscriptions_beat($1, $2, $3, $4, $5)";

impl Statements {
    pub(super) async fn prepare(client: &Client, schema: &Schema) -> Result<Self, PgError> {
        let prepare = async |sql: &str| client.prepare(&schema.apply(sql)).await;
        Ok(Self {
            append: prepare(APPEND).await?,
            erase: prepare(ERASE).await?,
            waiting: prepare("SELECT id, packed FROM @schema@.waiting($1, $2)").await?,
            move_outbox: prepare(MOVE_OUTBOX).await?,
            trim: prepare("SELECT @schema@.trim($1, $2, $3, $4, $5, $6)").await?,
            empty_slot: prepare("SELECT @schema@.empty_slot()").await?,
            forget_topics: prepare("SELECT @schema@.forget_topics($1)").await?,
            forget_keys: prepare("SELECT @schema@.forget_keys($1)").await?,
            poll: prepare(POLL).await?,
            read: prepare(READ).await?,
            newest: prepare(NEWEST).await?,
            topic_names: prepare("SELECT name, ms, seq FROM @schema@.topic_names($1, $2, $3)")
                .await?,
            retained_keys: prepare("SELECT name, ms, seq FROM @schema@.retained_keys($1, $2, $3)")
                .await?,
            retained_values: prepare(
                "SELECT epoch, head_ms, head_seq, value, ms, seq FROM @schema@.retained_values($1)",
            )
            .await?,
            begin_epoch: prepare("SELECT @schema@.begin_epoch($1, $2, $3, $4, $5, $6, $7)").await?,
            adopt: prepare("SELECT @schema@.adopt($1, $2, $3, $4)").await?,
            keep_position_key: prepare("SELECT @schema@.keep_position_key($1)").await?,
            report_node: prepare("SELECT * FROM @schema@.report_node($1, $2, $3, $4)").await?,
            live: LiveStatements::prepare(client, schema).await?,
        })
    }
}

impl LiveStatements {
    async fn prepare(client: &Client, schema: &Schema) -> Result<Self, PgError> {
        let prepare = async |sql: &str| client.prepare(&schema.apply(sql)).await;
        Ok(Self {
            pending: prepare(PENDING).await?,
            published: prepare("SELECT @schema@.live_published($1, $2, $3)").await?,
            presence_write: prepare("SELECT @schema@.presence_write($1, $2, $3, $4, $5, $6)")
                .await?,
            presence_beat: prepare(
                "SELECT is_whole, has_more, swept FROM @schema@.presence_beat($1, $2, $3, $4, $5)",
            )
            .await?,
            presence_counts: prepare(
                "SELECT users, connections FROM @schema@.presence_topics WHERE topic = $1",
            )
            .await?,
            presence_page: prepare("SELECT name, data FROM @schema@.presence_page($1, $2, $3)")
                .await?,
            presence_claim: prepare("SELECT @schema@.presence_claim($1, $2)").await?,
            subscriptions_write: prepare(
                "SELECT @schema@.subscriptions_write($1, $2, $3, $4, $5, $6)",
            )
            .await?,
            subscriptions_beat: prepare(SUBSCRIPTIONS_BEAT).await?,
            subscriptions_read: prepare(
                "SELECT matcher, subscriber, payload FROM @schema@.subscriptions_read($1, $2, $3, $4)",
            )
            .await?,
        })
    }
}
