//! Batches as the arrays that the function `append` takes.

use tokio_postgres::Row;

use super::limits;
use crate::{connection::Connection, error::PgError, rows::signed, shared::Shared};
use sse_broadcaster::{
    Topic,
    event::IdempotencyKey,
    history::{Batch, MAX_RETAINED_BYTES, MAX_RETAINED_VALUES},
};

/// Those of one call.
#[derive(Default)]
pub(super) struct Arguments<'a> {
    packed: Vec<Vec<u8>>,
    topics: Vec<String>,
    costs: Vec<i64>,
    keys: Vec<Option<&'a str>>,
    /// `None` for the way without keys, preconditions and values.
    counts: Option<Vec<i32>>,
    expect_batch: Vec<i32>,
    expect_key: Vec<&'a [u8]>,
    expect_ms: Vec<Option<i64>>,
    expect_seq: Vec<Option<i64>>,
    retain_batch: Vec<i32>,
    /// Counted through all batches from 1.
    retain_event: Vec<Option<i32>>,
    retain_key: Vec<&'a [u8]>,
    retain_value: Vec<Option<&'a [u8]>>,
}

impl<'a> Arguments<'a> {
    pub(super) fn of(batches: &'a [Batch]) -> Self {
        let mut arguments = Self::default();
        for (number, batch) in (1..).zip(batches) {
            arguments.add(number, batch);
        }
        let is_plain = arguments.keys.iter().all(Option::is_none)
            && arguments.expect_batch.is_empty()
            && arguments.retain_batch.is_empty();
        if !is_plain {
            let count = |batch: &Batch| i32::try_from(batch.events.len()).unwrap_or(i32::MAX);
            arguments.counts = Some(batches.iter().map(count).collect());
        }
        arguments
    }

    fn add(&mut self, number: i32, batch: &'a Batch) {
        let first = self.packed.len() + 1;
        for event in &batch.events {
            let mut packed = Vec::new();
            event.pack(&mut packed);
            self.packed.push(packed);
            let topics: Vec<_> = event.topics().iter().map(Topic::as_str).collect();
            self.topics.push(topics.join("\n"));
            self.costs.push(signed(event.cost() as u64));
            self.keys
                .push(event.idempotency_key().map(IdempotencyKey::as_str));
        }
        for expected in &batch.preconditions {
            self.expect_batch.push(number);
            self.expect_key.push(expected.key.as_bytes());
            let at = expected.written_at;
            self.expect_ms.push(at.map(|id| signed(id.ms())));
            self.expect_seq.push(at.map(|id| signed(id.seq())));
        }
        for retain in &batch.retain {
            // One that the batch does not have is none that is appended.
            let of_event = |index: usize| {
                let is_there = index < batch.events.len();
                i32::try_from(if is_there { first + index } else { 0 }).unwrap_or_default()
            };
            self.retain_batch.push(number);
            self.retain_event.push(retain.of_event.map(of_event));
            self.retain_key.push(retain.key.as_bytes());
            self.retain_value.push(retain.value.as_deref());
        }
    }

    pub(super) async fn send(
        &self,
        shared: &Shared,
        connection: &Connection,
        epoch: u64,
    ) -> Result<Row, PgError> {
        let (events, bytes, age) = limits(shared);
        let row = connection
            .client
            .query_one(
                &connection.statements.append,
                &[
                    &signed(epoch),
                    &connection.server.to_string(),
                    &events,
                    &bytes,
                    &age,
                    &fastrand::i64(..),
                    &self.packed,
                    &self.topics,
                    &self.costs,
                    &self.keys,
                    &self.counts,
                    &self.expect_batch,
                    &self.expect_key,
                    &self.expect_ms,
                    &self.expect_seq,
                    &self.retain_batch,
                    &self.retain_event,
                    &self.retain_key,
                    &self.retain_value,
                    &signed(MAX_RETAINED_VALUES as u64),
                    &signed(MAX_RETAINED_BYTES as u64),
                ],
            )
            .await?;
        Ok(row)
    }
}
