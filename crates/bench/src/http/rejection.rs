//! Why a server rejected a request, in one sentence.

use ureq::http::StatusCode;

use super::response::Head;
use sse_broadcaster_cli::client::Problem;

/// `body` is what has been received of it, which may be incomplete.
pub(crate) fn sentence(head: &Head, body: &[u8]) -> String {
    if head.status == 200 {
        return "this is not an event stream; is the URL right?".to_owned();
    }
    let status = StatusCode::from_u16(head.status);
    let status = status.map_or_else(|_| head.status.to_string(), |status| status.to_string());
    let problem = serde_json::from_slice::<Problem>(&decoded(head, body)).unwrap_or_default();
    let detail = problem.sentence();
    match &head.location {
        _ if !detail.is_empty() => format!("the server responded {status}: {detail}"),
        Some(location) => format!("the server responded {status}: it is at {location}"),
        None => format!("the server responded {status}"),
    }
}

fn decoded(head: &Head, body: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    // A body that cannot be decoded has no details.
    let _ = head
        .body
        .clone()
        .feed(body, |bytes| data.extend_from_slice(bytes));
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence_of(text: &str) -> String {
        let head = Head::read(text.as_bytes()).unwrap().unwrap();
        sentence(&head, &text.as_bytes()[head.length..])
    }

    #[test]
    fn a_rejection_is_reported_with_its_status_and_its_detail() {
        let problem = "{\"code\":\"overloaded\",\"detail\":\"the server is behind\"}";
        let length = problem.len();
        assert_eq!(
            sentence_of(&format!(
                "HTTP/1.1 503 Service Unavailable\r\nContent-Length: {length}\r\n\r\n{problem}"
            )),
            "the server responded 503 Service Unavailable: the server is behind (overloaded)"
        );
        assert_eq!(
            sentence_of(
                "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\noops\r\n0\r\n\r\n"
            ),
            "the server responded 404 Not Found"
        );
        assert_eq!(
            sentence_of(
                "HTTP/1.1 301 Moved\r\nLocation: https://host/\r\nContent-Length: 0\r\n\r\n"
            ),
            "the server responded 301 Moved Permanently: it is at https://host/"
        );
        assert!(
            sentence_of("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .contains("not an event stream")
        );
    }
}
