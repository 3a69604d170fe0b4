//! Erasing a topic's events: `DELETE /topics/<topic>`.

use percent_encoding::percent_decode_str;
use serde_json::json;
use sse_broadcaster::event::{Invalid, Topic};

use super::finish::{committing, finish_write};
use crate::{
    AppState, Refusal, RequestHead,
    response::{self, JSON, Response},
};

pub(super) const METHODS: &str = "DELETE, OPTIONS";

/// `topic` is as it was sent, without decoding it.
pub(super) async fn delete(request: &impl RequestHead, topic: &str, state: &AppState) -> Response {
    let response = async {
        let permit = state.may_publish(request).await?;
        let topic = percent_decode_str(topic).decode_utf8();
        let topic = topic.map_err(|_| Refusal::not_utf8("the topic"))?;
        let topic = erasable(&topic)?;
        permit.check_erasing(topic.as_str())?;
        let erased = committing(request, state.broadcaster.erase(&topic)).await?;
        let erased = json!({ "erased": erased });
        Ok(response::with_body(JSON, format!("{erased}\n")))
    };
    finish_write(request, state, response.await)
}

/// Topics of URIs, too, which clients of Mercure's protocol publish to.
fn erasable(text: &str) -> Result<Topic, Invalid> {
    let topic = Topic::uri(text)?;
    if topic.is_internal() {
        let why = format!(
            "the topic {topic} begins with $, and only the server itself erases its events"
        );
        return Err(Invalid::new("reserved_topic", why));
    }
    Ok(topic)
}
