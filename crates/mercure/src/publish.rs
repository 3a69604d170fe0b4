//! Publishing: `POST` of a form.

use bytes::Bytes;
use futures_util::Stream;
use sse_broadcaster_access::issuer::Purpose;
use sse_broadcaster_http::{
    AppState, Body, PublishTrace, Refusal, RequestHead, Response, read_whole,
};

use crate::{
    Hub, Version,
    address::Address,
    content_type::is_form,
    credentials::{Authorized, authorized},
    failure::{Failure, TEXT},
    form::Form,
    id,
    reserved::is_reserved,
    response::respond_with,
};

/// How much longer a form may be than the longest data of an event: a byte is sent as `%XX`, and there are topics.
const FORM_EXPANSION: usize = 3;
const FORM_ALLOWANCE: usize = 1 << 20;

/// Publishes an event, and responds with its id.
pub(crate) async fn respond<B, E>(
    hub: &Hub,
    state: &AppState,
    address: &Address,
    request: &impl RequestHead,
    body: B,
    trace: &mut PublishTrace,
) -> Result<Response, Failure>
where
    B: Stream<Item = Result<Bytes, E>> + Unpin,
{
    state.gate.access().check_enabled()?;
    let Authorized { client, version } =
        authorized(hub, state, request, Purpose::Publish, address).await?;
    let Some(version) = version else {
        return Err(Failure::token_missing("publishing"));
    };
    let published = async {
        if client.is_by_cookie() {
            let access = state.gate.access();
            let checked = access.check_cookie_page(request, state.scheme(request));
            checked.map_err(|refusal| Failure::page(&refusal))?;
        }
        if client.grants().publish().is_empty() {
            return Err(Failure::not_granted(
                "the token grants publishing to no topic; use one that does",
            ));
        }
        is_form(request)?;
        let max = FORM_EXPANSION * state.broadcaster.options().max_event_bytes + FORM_ALLOWANCE;
        let whole = read_whole(request, body, max, state).await?;
        let form = Form::read(&whole.bytes)?;
        check_grants(&form, &client)?;
        check_reserved(&form, address, version)?;
        if client.has_ended() {
            return Err(Failure::not_granted("the token has ended; get a new one"));
        }
        let event = form.into_event()?;
        let alias = event.alias().map(|alias| alias.as_str().to_owned());
        request.set_committing(true);
        let published = state.broadcaster.publish(trace.batch(vec![event])).await;
        request.set_committing(false);
        let ids = published?.ids;
        trace.published(&ids);
        Ok(alias.unwrap_or_else(|| ids.first().copied().map(id::encode).unwrap_or_default()))
    };
    let id = published
        .await
        .map_err(|failure: Failure| failure.of(Some(version)).by(client.grants()))?;
    Ok(respond_with(TEXT, Body::Bytes(id.into())))
}

/// Every topic has to be granted.
fn check_grants(form: &Form, client: &sse_broadcaster_http::Client) -> Result<(), Failure> {
    let mut topics = form.topics.iter();
    match topics.find(|topic| !client.grants().may_publish(topic)) {
        None => Ok(()),
        Some(topic) => {
            let topic = sse_broadcaster::internal::Shown(topic);
            Err(Failure::not_granted(format!(
                "publishing to the topic {topic} is not granted; use a token that grants it"
            )))
        }
    }
}

fn check_reserved(form: &Form, address: &Address, version: Version) -> Result<(), Failure> {
    let is_reserved = |topic: &&String| is_reserved(topic, address.url(), version);
    let Some(topic) = form.topics.iter().find(is_reserved) else {
        return Ok(());
    };
    let topic = sse_broadcaster::internal::Shown(topic);
    let detail = format!("the topic {topic} is the hub's own; choose another one");
    Err(match version {
        Version::Zero => Refusal::forbidden("reserved_topic", detail).into(),
        Version::One => Failure::invalid("reserved_topic", detail),
    })
}
