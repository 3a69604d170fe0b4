//! Finishing a topic: `POST /topics/<topic>/finish`.

use bytes::Bytes;
use futures_util::Stream;
use percent_encoding::percent_decode_str;

use super::{
    events::{commit, one, read_body, requests},
    finish::finish_publish,
};
use crate::{
    AppState, PublishRequest, Refusal, RequestHead, publish::BodyKind, response::Response,
    traces::PublishTrace, uploads::Whole,
};

pub(super) const METHODS: &str = "POST, OPTIONS";
const SUFFIX: &str = "/finish";

/// The topic as it was sent, where the path below `/topics` is to finish one.
pub(super) fn topic_of(subpath: &str) -> Option<&str> {
    let topic = subpath.strip_suffix(SUFFIX)?;
    (!topic.is_empty()).then_some(topic)
}

pub(super) async fn post<B, E>(
    request: &impl RequestHead,
    topic: &str,
    body: B,
    state: &AppState,
) -> Response
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    let mut trace = PublishTrace::begin(state, request, "/topics/{topic}/finish");
    let response = async {
        let permit = state.may_publish(request).await?;
        let topic = percent_decode_str(topic).decode_utf8();
        let topic = topic.map_err(|_| Refusal::not_utf8("the topic"))?;
        let query = PublishRequest::from_query(request.query())?;
        let kind = BodyKind::of(request)?;
        if matches!(kind, BodyKind::Lines) {
            return Err(Refusal::unsupported_media_type(
                "a topic is finished by one event; send JSON, a form, text or nothing",
            ));
        }
        let Whole {
            bytes: body,
            upload: _upload,
        } = read_body(request, body, kind, state).await?;
        let sent = if body.is_empty() {
            None
        } else {
            requests(kind, body, 1)?.0.pop()
        };
        let sent = sent.unwrap_or_default().with_query(&query)?;
        let event = sent.finishing(topic.into_owned())?.build()?;
        permit.check_event(&event)?;
        Ok(one(&commit(request, state, &mut trace, vec![event]).await?))
    };
    let response = response.await;
    finish_publish(request, state, trace, response)
}
