//! The metadata of the hub as a protected resource (RFC 9728).

use http::header::HeaderValue;
use serde::Serialize;
use sse_broadcaster_http::{Body, Response, json_line};

use crate::{Hub, address::Address, credentials::COOKIES, response::respond_with};

/// The type of the entries of a token that grant topics.
const DETAIL_TYPE: &str = "https://mercure.rocks/authorization-detail";

#[derive(Serialize)]
struct Metadata<'a> {
    resource: &'a str,
    bearer_methods_supported: [&'static str; 1],
    authorization_details_types_supported: [&'static str; 1],
    mercure_cookie: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mercure_subscriptions: Option<bool>,
    mercure_matcher_types_supported: [&'static str; 2],
}

pub(crate) fn respond(hub: &Hub, address: &Address) -> Response {
    let metadata = Metadata {
        resource: address.hub(),
        bearer_methods_supported: ["header"],
        authorization_details_types_supported: [DETAIL_TYPE],
        mercure_cookie: COOKIES[0],
        mercure_subscriptions: hub.subscriptions.get().map(|_| true),
        mercure_matcher_types_supported: ["exact", "urlpattern"],
    };
    let json = HeaderValue::from_static("application/json");
    respond_with(json, Body::from(json_line(&metadata)))
}
