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

use super::{
    Subscription, Subscriptions,
    document::{CONTEXT, encoded, root, type_name},
};
use crate::{
    Hub, Version,
    address::Address,
    credentials::{Authorized, authorized},
    cursor::{self, EARLIEST},
    failure::Failure,
    matchers::MatchType,
    routes::HUB_PATH,
};

/// Most subscriptions in one list. Further ones are left out.
const MAX_LISTED: usize = 1_000;
/// What a quoted tag cannot have, and what is the sign of the encoding.
const IN_TAG: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// What a path asks for.
enum Wanted {
    All,
    /// Of one topic, as version 0.x names it.
    Topic(String),
    /// Of one matcher, as version 1.0 names it.
    Match(MatchType, String),
    /// One, by its path.
    Single(Version),
}

impl Wanted {
    /// `below` is what follows `/subscriptions` in the path, as it was sent.
    fn read(below: &str) -> Result<Self, Failure> {
        let segments: Vec<_> = below.split('/').skip(1).collect();
        if !below.is_empty() && segments.iter().any(|segment| segment.is_empty()) {
            return Err(Refusal::not_found().into());
        }
        match segments[..] {
            [] => Ok(Self::All),
            [topic] => Ok(Self::Topic(decoded(topic)?)),
            [kind, matched] => match match_type(kind) {
                Some(match_type) => Ok(Self::Match(match_type, decoded(matched)?)),
                None => Ok(Self::Single(Version::Zero)),
            },
            [kind, _, _] if match_type(kind).is_some() => Ok(Self::Single(Version::One)),
            [_, _, _] => Err(Failure::invalid(
                "invalid_match_type",
                "the type of a matcher is exact or urlpattern",
            )),
            _ => Err(Refusal::not_found().into()),
        }
    }

    /// Of documents; `None` for all that are not in the form of one version.
    fn version(&self, of_token: Version) -> Version {
        match self {
            Self::All => of_token,
            Self::Topic(_) => Version::Zero,
            Self::Match(..) => Version::One,
            Self::Single(version) => *version,
        }
    }

    fn includes(&self, subscription: &Subscription<'_>, path: &str) -> bool {
        let matcher = subscription.matcher;
        match self {
            Self::All => true,
            Self::Topic(topic) => subscription.is_of_zero() && matcher.pattern.text() == topic,
            Self::Match(kind, text) => {
                matcher.match_type == *kind && matcher.pattern.text() == text
            }
            Self::Single(_) => subscription.path() == path,
        }
    }
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
        authorized(hub, request, Purpose::Subscribe, address).await?;
    let Some(version) = version else {
        return Err(Failure::token_missing("the list of subscriptions"));
    };
    let found = (|| {
        check_grant(request, path, &client, version)?;
        let wanted = Wanted::read(path.strip_prefix(&root()).unwrap_or_default())?;
        let form = wanted.version(version);
        let last_id = last_id(state, &client);
        let tag = tag(form, &last_id);
        let not_modified = request.header("if-none-match");
        if tag.is_some() && not_modified == tag.as_ref().map(HeaderValue::as_bytes) {
            let mut response = Response::new(Body::Empty);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok((response, form, tag, last_id));
        }
        let path = canonical(path);
        let document = document(subscriptions, &wanted, form, &path, &last_id)?;
        let response = Response::new(Body::from(document.to_string()));
        Ok((response, form, tag, last_id))
    })();
    let found = found.map_err(|failure: Failure| failure.of(Some(version)).by(client.grants()));
    let (mut response, form, tag, last_id) = found?;
    let (content_type, link) = match form {
        Version::Zero => ("application/ld+json", None),
        Version::One => ("application/json", link(&last_id)),
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

fn link(last_id: &str) -> Option<HeaderValue> {
    let last_id = utf8_percent_encode(last_id, IN_TAG);
    let link = format!(
        "<{HUB_PATH}>; rel=\"mercure\"; last-event-id=\"{last_id}\"; type=\"mercure\"; \
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

fn document(
    subscriptions: &Subscriptions,
    wanted: &Wanted,
    form: Version,
    path: &str,
    last_id: &str,
) -> Result<Value, Failure> {
    let subscribers = subscriptions.subscribers();
    let all = subscribers
        .iter()
        .flat_map(|subscriber| subscriber.subscriptions());
    let mut found = all.filter(|subscription| wanted.includes(subscription, path));
    if let Wanted::Single(_) = wanted {
        let Some(single) = found.next() else {
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
        return Ok(document);
    }
    let found = found.take(MAX_LISTED);
    Ok(match form {
        Version::Zero => {
            let listed = found.map(|one| one.document_of_zero()).collect::<Vec<_>>();
            json!({
                "@context": CONTEXT,
                "id": path,
                "type": "Subscriptions",
                "lastEventID": last_id,
                "subscriptions": listed,
            })
        }
        Version::One => {
            let listed = found.map(|one| one.document_of_one()).collect::<Vec<_>>();
            json!({ "id": path, "type": "subscriptions", "subscriptions": listed })
        }
    })
}
