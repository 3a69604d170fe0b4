//! Publishes a body of lines, each an event as JSON: `application/x-ndjson`.

use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::task::yield_now;

use super::{
    body::{json_text, max_object, object},
    request::PublishRequest,
};
use crate::{
    AppState, Permit, Progress, PublishTrace, Refusal, RequestHead,
    uploads::{Await, Decoded, Upload},
};
use sse_broadcaster::{
    broadcaster::PublishError,
    event::{Event, EventId},
};

/// Most lines that are published in one batch.
const LINES_PER_APPEND: usize = 64;

/// Publishes lines as they arrive, up to the first that is refused. Returns how many events were published, and
/// the id of the last.
pub(crate) async fn publish<B, E>(
    request: &impl RequestHead,
    body: B,
    query: &PublishRequest,
    state: &AppState,
    permit: &Permit,
    trace: &mut PublishTrace,
) -> Result<(u64, Option<String>), Refusal>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut body = Decoded::new(request, body, state)?;
    let mut lines = Lines::new(query, state, permit, trace);
    let mut rest = BytesMut::new();
    let max = max_object(state.broadcaster.options().max_event_bytes);
    let mut upload = Upload::begin(&state.uploads);
    let mut awaited = Await::Line;
    loop {
        let part = upload.next(&mut body, awaited).await;
        let Some(part) = part.map_err(|problem| lines.stop(problem))? else {
            break;
        };
        let new = rest.len();
        let held = upload.hold(new + part.len() + body.memory());
        held.map_err(|problem| lines.stop(problem))?;
        awaited = Await::Rest;
        rest.extend_from_slice(&part);
        if let Some(end) = part.iter().rposition(|byte| *byte == b'\n') {
            let end = new + end;
            let complete = rest.split_to(end + 1);
            lines.publish(&complete[..end]).await?;
            // Lines without an event wait for nothing: others have their turn between two parts of them.
            yield_now().await;
            if rest.is_empty() {
                // Otherwise the allocation of a large line would be kept.
                rest = BytesMut::new();
                awaited = Await::Line;
            }
            upload.begin_line();
        }
        if rest.len() > max {
            let detail = format!("the line is longer than {max} bytes");
            lines.line += 1;
            return Err(lines.stop(Refusal::too_large(detail)));
        }
    }
    lines.publish(&rest).await?;
    Ok((lines.count, lines.last_id()))
}

struct Lines<'a> {
    query: &'a PublishRequest,
    state: &'a AppState,
    permit: &'a Permit,
    trace: &'a mut PublishTrace,
    line: u64,
    count: u64,
    last: Option<EventId>,
}

impl<'a> Lines<'a> {
    fn new(
        query: &'a PublishRequest,
        state: &'a AppState,
        permit: &'a Permit,
        trace: &'a mut PublishTrace,
    ) -> Self {
        Self {
            query,
            state,
            permit,
            trace,
            line: 0,
            count: 0,
            last: None,
        }
    }

    async fn publish(&mut self, text: &[u8]) -> Result<(), Refusal> {
        let mut events = Vec::new();
        for line in text.split(|byte| *byte == b'\n') {
            self.line += 1;
            match self.parse(line) {
                Ok(Some(event)) => {
                    if !self.fits(&events, &event) {
                        self.append(std::mem::take(&mut events)).await?;
                    }
                    events.push(event);
                }
                Ok(None) => {}
                Err(problem) => {
                    self.append(events).await?;
                    return Err(self.stop(problem));
                }
            }
        }
        self.append(events).await
    }

    /// Whether the event may be published in one batch with these.
    fn fits(&self, events: &[Event], event: &Event) -> bool {
        let broadcaster = &self.state.broadcaster;
        let cost: usize = events.iter().map(Event::most_memory).sum();
        events.len() < LINES_PER_APPEND.min(broadcaster.max_batch_events())
            && cost + event.most_memory() <= broadcaster.max_batch_bytes()
    }

    fn parse(&self, line: &[u8]) -> Result<Option<Event>, Refusal> {
        let line = json_text(line, "the line")?.trim();
        if line.is_empty() {
            return Ok(None);
        }
        if self.query.has_idempotency_key() {
            return Err(Refusal::unprocessable(
                "duplicate_field",
                "the id in the query is that of one event; give each line its own",
            ));
        }
        let event = object(line)?.with_query(self.query)?.build()?;
        let (bytes, max) = (
            event.data().len(),
            self.state.broadcaster.options().max_event_bytes,
        );
        if bytes > max {
            return Err(PublishError::EventTooLarge { bytes, max }.into());
        }
        self.permit.check_event(&event)?;
        Ok(Some(self.trace.adopt(event)))
    }

    async fn append(&mut self, events: Vec<Event>) -> Result<(), Refusal> {
        if events.is_empty() {
            return Ok(());
        }
        self.permit.check().map_err(|problem| self.stop(problem))?;
        let batch = self.trace.batch(events);
        let appended = self.state.broadcaster.publish(batch).await;
        let ids = appended.map_err(|error| self.stop(error.into()))?.ids;
        self.trace.published(&ids);
        self.count += ids.len() as u64;
        self.last = ids.last().copied().or(self.last);
        Ok(())
    }

    fn last_id(&self) -> Option<String> {
        self.last.map(|id| id.to_string())
    }

    /// Adds the number of the line and how many events were published before it.
    fn stop(&self, problem: Refusal) -> Refusal {
        problem.with_progress(Progress::new(self.line, self.count, self.last_id()))
    }
}
