//! `GET /admin/status`: figures of now and of the last minutes.

use std::time::SystemTime;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use sse_broadcaster::{broadcaster::Broadcaster, internal::from_unix_ms};
use sse_broadcaster_actix::{AppState, Problem};

use super::{Admin, HistorySettings, admit, json, parameters::Parameters, text_of};
use crate::{
    metrics::{MAX_SAMPLES, Sample},
    process::nodes::NodeFigures,
};

#[derive(Serialize)]
struct Status<'a> {
    version: &'static str,
    node: &'a str,
    started: String,
    time: String,
    now: Sample,
    samples: Vec<Sample>,
    history: HistoryStatus,
    nodes: Vec<NodeFigures>,
}

#[derive(Serialize)]
struct HistoryStatus {
    kind: &'static str,
    available: bool,
    events: usize,
    bytes: usize,
    max_events: Option<usize>,
    max_bytes: Option<usize>,
    oldest: Option<String>,
    newest: Option<String>,
    head: String,
}

pub(super) async fn respond(
    request: HttpRequest,
    admin: web::Data<Admin>,
    state: web::Data<AppState>,
) -> Result<HttpResponse, Problem> {
    admit(&request, &state).await?;
    let parameters = Parameters::read(&request, &["samples"])?;
    let samples = parameters.samples(MAX_SAMPLES)?;
    Ok(json(&Status {
        version: env!("CARGO_PKG_VERSION"),
        node: admin.nodes.name(),
        started: text_of(admin.started),
        time: text_of(SystemTime::now()),
        now: admin.samples.now(),
        samples: admin.samples.last(samples),
        history: history(&state.broadcaster, admin.history),
        nodes: admin.nodes.figures(),
    }))
}

fn history(broadcaster: &Broadcaster, settings: HistorySettings) -> HistoryStatus {
    let bounds = broadcaster.bounds();
    let retention = settings.retention;
    let bounded = |most: usize| Some(most).filter(|most| *most < usize::MAX);
    let time = |ms| text_of(from_unix_ms(ms));
    HistoryStatus {
        kind: settings.kind,
        available: broadcaster.history_health().is_ok(),
        events: bounds.events,
        bytes: bounds.bytes,
        max_events: bounded(retention.events),
        max_bytes: bounded(retention.bytes),
        oldest: bounds.oldest.map(|id| time(id.ms())),
        newest: bounds.oldest.map(|_| time(bounds.head.ms())),
        head: bounds.head.to_string(),
    }
}
