//! Middleware of all routes: removes the base path from requests, and refuses those that are not below it.

use actix_web::{
    Error, HttpResponse,
    body::BoxBody,
    dev::{Service, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode, Uri,
        header::{self, HeaderValue},
    },
};
use futures_util::future::{Either, ready};

use sse_broadcaster::internal::Shown;
use sse_broadcaster_actix::{Refusal, internal::refused};
use sse_broadcaster_http::BasePath;
use sse_broadcaster_mercure::{HUB_PATH, METADATA_PATH};

/// What orchestrators and Prometheus request from the server itself, past the proxy: it is there with the base path and
/// without it.
const DIRECT: [&str; 3] = ["/health/live", "/health/ready", "/metrics"];
/// Where clients look for the metadata of a resource: before its whole path (RFC 9728, section 3.1).
const METADATA: &str = "/.well-known/oauth-protected-resource";

/// What a path means below a base path.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// That of a route.
    Route(&'a str),
    /// The base path itself, without the slash of the page.
    Base,
    Elsewhere,
}

fn place<'a>(base: &BasePath, path: &'a str) -> Place<'a> {
    if let Some(route) = base.strip(path) {
        return Place::Route(route);
    }
    if path == base.as_str() {
        return Place::Base;
    }
    let resource = path.strip_prefix(METADATA);
    if resource.and_then(|resource| base.strip(resource)) == Some(HUB_PATH) {
        return Place::Route(METADATA_PATH);
    }
    if DIRECT.contains(&path) {
        return Place::Route(path);
    }
    Place::Elsewhere
}

pub(crate) fn strip<S>(
    mut request: ServiceRequest,
    next: &S,
    base: &BasePath,
) -> impl Future<Output = Result<ServiceResponse<BoxBody>, Error>> + use<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<BoxBody>, Error = Error>,
{
    if base.is_empty() {
        return Either::Left(next.call(request));
    }
    let response = match place(base, request.uri().path()) {
        Place::Route(route) => match with_path(request.uri(), route) {
            Some(uri) => {
                request.match_info_mut().get_mut().update(&uri);
                request.head_mut().uri = uri;
                return Either::Left(next.call(request));
            }
            None => refused(elsewhere(base, route)),
        },
        Place::Base if matches!(*request.method(), Method::GET | Method::HEAD) => {
            redirected(base, request.uri().query())
        }
        Place::Base => refused(elsewhere(base, "/events")),
        Place::Elsewhere => refused(elsewhere(base, request.uri().path())),
    };
    Either::Right(ready(Ok(request.into_response(response))))
}

/// The same URI with another path.
fn with_path(uri: &Uri, path: &str) -> Option<Uri> {
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}").parse(),
        None => path.parse(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(path_and_query.ok()?);
    Uri::from_parts(parts).ok()
}

/// The page names its files relative to the slash.
fn redirected(base: &BasePath, query: Option<&str>) -> HttpResponse {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = HttpResponse::new(StatusCode::PERMANENT_REDIRECT);
    if let Ok(location) = HeaderValue::from_str(&format!("{base}/{query}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn elsewhere(base: &BasePath, path: &str) -> Refusal {
    let path = Shown(path);
    Refusal::not_served(format!(
        "the routes of this server are below {base} (--base-path): request {base}{path}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_that_of_a_route_below_the_base_path_alone_but_for_health_metrics_and_metadata() {
        let base = BasePath::parse("/live").unwrap();
        for (path, found) in [
            ("/live/events", Place::Route("/events")),
            ("/live/", Place::Route("/")),
            ("/live/live/events", Place::Route("/live/events")),
            ("/live/%2e%2e/events", Place::Route("/%2e%2e/events")),
            ("/live", Place::Base),
            ("/events", Place::Elsewhere),
            ("/lives/events", Place::Elsewhere),
            ("/%6cive/events", Place::Elsewhere),
            ("//live/events", Place::Elsewhere),
            ("/", Place::Elsewhere),
            ("*", Place::Elsewhere),
            ("/health/ready", Place::Route("/health/ready")),
            ("/metrics", Place::Route("/metrics")),
            ("/admin/status", Place::Elsewhere),
            (METADATA_PATH, Place::Elsewhere),
            (
                "/.well-known/oauth-protected-resource/live/.well-known/mercure",
                Place::Route(METADATA_PATH),
            ),
        ] {
            assert_eq!(place(&base, path), found, "{path}");
        }
    }

    #[test]
    fn the_rest_of_a_uri_stays_as_it_is() {
        for (uri, path, expected) in [
            ("/live/events?topic=a%20b", "/events", "/events?topic=a%20b"),
            ("http://host:1/live/a%2Fb", "/a%2Fb", "http://host:1/a%2Fb"),
        ] {
            let uri = with_path(&uri.parse().unwrap(), path).unwrap();
            assert_eq!(uri.to_string(), expected);
        }
    }
}
