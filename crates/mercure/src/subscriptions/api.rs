//! The list of subscriptions, and the document of each.

use http::{
    StatusCode,
    header::{self, HeaderName, HeaderValue},
};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use serde_json::{Value, json};
use sse_broadcaster::{event::Selector, internal::Shown};
use sse_broadcaster_access::issuer::Purpose;
use sse_broadcaster_http::{AppState, Body, Client, Refusal, RequestHead, Response};

use sse_broadcaster_presence::HubSubscription;

use super::{
    Subscriptions, WRITTEN_WITHIN,
    document::{CONTEXT, Subscription, encoded, listed_matcher, root, type_name},
};
use crate::{
    Hub, Version,
    address::Address,
    credentials::{Authorized, authorized},
    cursor::{self, EARLIEST},
    failure::Failure,
    matchers::MatchType,
};

/// Most subscriptions in one list. Further ones are left out.
const MAX_LISTED: usize = 1_000;
/// What a quoted tag cannot have, and what is the sign of the encoding.
const IN_TAG: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// What a path asks for.
enum Wanted {
    All,
    /// Of one matcher: one topic, as version 0.x names it, or one of version 1.0.
    Matching(MatchType, String),
    /// The one of this matcher and subscriber.
    Single(MatchType, String, String),
}

impl Wanted {
    /// `below` is what follows `/subscriptions` in the path, as it was sent.
    fn read(below: &str) -> Result<Self, Failure> {
        let segments: Vec<_> = below.split('/').skip(1).collect();
        if !below.is_empty() && segments.iter().any(|segment| segment.is_empty()) {
            return Err(Refusal::not_found().into());
        }
        let zero = MatchType::Selector;
        Ok(match segments[..] {
            [] => Self::All,
            [topic] => Self::Matching(zero, decoded(topic)?),
            [first, second] => match match_type(first) {
                Some(match_type) => Self::Matching(match_type, decoded(second)?),
                None => Self::Single(zero, decoded(first)?, decoded(second)?),
            },
            [kind, matched, subscriber] => {
                let match_type = match_type(kind).ok_or_else(unknown_type)?;
                Self::Single(match_type, decoded(matched)?, decoded(subscriber)?)
            }
            _ => return Err(Refusal::not_found().into()),
        })
    }

    /// Of documents; that of the token for all, which are not in the form of one version.
    fn version(&self, of_token: Version) -> Version {
        match self {
            Self::All => of_token,
            Self::Matching(MatchType::Selector, _) | Self::Single(MatchType::Selector, ..) => {
                Version::Zero
            }
            Self::Matching(..) | Self::Single(..) => Version::One,
        }
    }
}

fn unknown_type() -> Failure {
    Failure::invalid(
        "invalid_match_type",
        "the type of a matcher is exact or urlpattern",
    )
}

fn match_type(name: &str) -> Option<MatchType> {
    let known = [MatchType::Exact, MatchType::UrlPattern];
    known.into_iter().find(|kind| type_name(*kind) == name)
}

fn decoded(segment: &str) -> Result<String, Failure> {
    let text = percent_decode_str(segment).decode_utf8();
    let text = text.map_err(|_| Failure::invalid("invalid_utf8", "the path is not valid UTF-8"))?;
    Ok(text.into_owned())
}

/// Responds with the subscriptions that the path asks for. The token needs a grant to read the path itself.
pub(crate) async fn respond(
    hub: &Hub,
    state: &AppState,
    address: &Address,
    request: &impl RequestHead,
    path: &str,
) -> Result<Response, Failure> {
    let Some(subscriptions) = hub.subscriptions.get() else {
        let detail =
            "this hub does not list subscriptions; start the server with --mercure-subscriptions";
        return Err(Refusal::not_served(detail).into());
    };
    let Authorized { client, version } =
        authorized(hub, state, request, Purpose::Subscribe, address).await?;
    let Some(version) = version else {
        return Err(Failure::token_missing("the list of subscriptions"));
    };
    let found = async {
        check_grant(request, path, &client, version)?;
        let wanted = Wanted::read(path.strip_prefix(&root()).unwrap_or_default())?;
        let form = wanted.version(version);
        // Before the list is read: it has at least what was announced up to here.
        let last_id = last_id(state, &client);
        let tag = tag(form, &last_id);
        let known = request.header("if-none-match");
        // Without events there is no tag that stands for one state of the list.
        let is_known = tag.is_some() && known == tag.as_ref().map(HeaderValue::as_bytes);
        if is_known && last_id != EARLIEST {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok((response, form, tag, last_id));
        }
        let path = canonical(path);
        let document = document(subscriptions, &wanted, form, &path, &last_id).await?;
        let response = Response::new(Body::from(document.to_string()));
        Ok((response, form, tag, last_id))
    };
    let found = found.await;
    let found = found.map_err(|failure: Failure| failure.of(Some(version)).by(client.grants()));
    let (mut response, form, tag, last_id) = found?;
    let (content_type, link) = match form {
        Version::Zero => ("application/ld+json", None),
        Version::One => ("application/json", link(&address.path(), &last_id)),
    };
    let mut insert = |name: HeaderName, value: Option<HeaderValue>| {
        if let Some(value) = value {
            response.headers_mut().insert(name, value);
        }
    };
    insert(
        header::CONTENT_TYPE,
        Some(HeaderValue::from_static(content_type)),
    );
    insert(
        header::CACHE_CONTROL,
        Some(HeaderValue::from_static("private, no-cache")),
    );
    insert(header::ETAG, tag);
    insert(header::LINK, link);
    Ok(response)
}

fn check_grant(
    request: &impl RequestHead,
    path: &str,
    client: &Client,
    version: Version,
) -> Result<(), Failure> {
    let query = request.query();
    let with_query = match version {
        Version::Zero if !query.is_empty() => format!("{path}?{query}"),
        _ => path.to_owned(),
    };
    if client.grants().may_subscribe(&with_query) {
        return Ok(());
    }
    Err(Failure::not_granted(format!(
        "the token does not grant reading the subscriptions at {}; use one that grants subscribing to that path",
        Shown(&with_query)
    )))
}

/// The id of the newest event, as this client may see it.
fn last_id(state: &AppState, client: &Client) -> String {
    let bounds = state.broadcaster.bounds();
    if bounds.oldest.is_none() {
        return EARLIEST.to_owned();
    }
    let selector = client.restricted(Selector::all());
    cursor::shown(&state.broadcaster, bounds.head, &selector)
}

fn tag(form: Version, last_id: &str) -> Option<HeaderValue> {
    let tag = match form {
        Version::Zero => last_id.to_owned(),
        Version::One => format!("\"{}\"", utf8_percent_encode(last_id, IN_TAG)),
    };
    HeaderValue::from_bytes(tag.as_bytes()).ok()
}

fn link(hub: &str, last_id: &str) -> Option<HeaderValue> {
    let last_id = utf8_percent_encode(last_id, IN_TAG);
    let link = format!(
        "<{hub}>; rel=\"mercure\"; last-event-id=\"{last_id}\"; type=\"mercure\"; \
         content-type=\"application/json\""
    );
    HeaderValue::from_bytes(link.as_bytes()).ok()
}

/// The path with every segment encoded as ids have it.
fn canonical(path: &str) -> String {
    let segments = path.split('/').map(|segment| {
        let text = percent_decode_str(segment).decode_utf8_lossy();
        encoded(&text)
    });
    segments.collect::<Vec<_>>().join("/")
}

async fn document(
    subscriptions: &Subscriptions,
    wanted: &Wanted,
    form: Version,
    path: &str,
    last_id: &str,
) -> Result<Value, Failure> {
    // So that a client that has just opened a stream on this node finds its own subscriptions.
    subscriptions.local.written(WRITTEN_WITHIN).await;
    let store = &subscriptions.store;
    let matcher = match wanted {
        Wanted::All => None,
        Wanted::Matching(kind, text) => Some(listed_matcher(*kind, text)),
        Wanted::Single(kind, text, subscriber) => {
            let matcher = listed_matcher(*kind, text);
            let found = store.find(&matcher, subscriber).await?;
            return single(found.as_ref(), form, last_id);
        }
    };
    let listed = store.list(matcher.as_deref(), MAX_LISTED).await?;
    Ok(collection(&listed, form, path, last_id))
}

fn single(found: Option<&HubSubscription>, form: Version, last_id: &str) -> Result<Value, Failure> {
    let Some(single) = found.and_then(|found| Subscription::read(found, true)) else {
        return Err(Refusal::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "there is no such subscription; it may have ended",
        )
        .into());
    };
    let mut document = single.document(true);
    if form == Version::Zero {
        document["lastEventID"] = json!(last_id);
    }
    Ok(document)
}

fn collection(listed: &[HubSubscription], form: Version, path: &str, last_id: &str) -> Value {
    let listed = listed
        .iter()
        .filter_map(|one| Subscription::read(one, true));
    match form {
        Version::Zero => {
            let listed = listed.map(|one| one.document_of_zero()).collect::<Vec<_>>();
            json!({
                "@context": CONTEXT,
                "id": path,
                "type": "Subscriptions",
                "lastEventID": last_id,
                "subscriptions": listed,
            })
        }
        Version::One => {
            let listed = listed.map(|one| one.document_of_one()).collect::<Vec<_>>();
            json!({ "id": path, "type": "subscriptions", "subscriptions": listed })
        }
    }
}
