//! The formats of `GET /metrics`: `OpenMetrics`, and Prometheus' text format 0.0.4 for scrapers that do not
//! read the former. They differ in the names of counters and of information.

use std::fmt::Write as _;

use actix_web::http::header::{ACCEPT, HeaderMap, HeaderValue};

use sse_broadcaster_http::accepted_of;

/// The format of metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exposition {
    OpenMetrics,
    Text,
}

impl Exposition {
    /// The format that `Accept` prefers; text without a preference.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let (mut open, mut text) = (0.0_f32, 0.0_f32);
        for (essence, weight) in accepted_of(headers.get_all(ACCEPT).map(HeaderValue::as_bytes)) {
            match essence.as_str() {
                "application/openmetrics-text" => open = open.max(weight),
                "text/plain" | "text/*" | "*/*" => text = text.max(weight),
                _ => {}
            }
        }
        // With equal weights the newer format wins.
        if open > 0.0 && open >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Converts metrics from `OpenMetrics`.
    pub(crate) fn write(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => to_text(&open_metrics),
        }
    }
}

fn to_text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line
            .strip_prefix("# TYPE ")
            .and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", kind),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            if let Some((_, help)) = help.take().filter(|(described, _)| *described == name) {
                let _ = writeln!(text, "# HELP {name}{suffix} {help}");
            }
            let _ = writeln!(text, "# TYPE {name}{suffix} {kind}");
        } else if !line.starts_with('#') {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use actix_web::http::header;

    use super::*;

    fn of(accept: &str) -> Exposition {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        Exposition::of(&headers)
    }

    #[test]
    fn open_metrics_are_sent_to_scrapers_that_prefer_them() {
        use Exposition::{OpenMetrics, Text};
        assert_eq!(Exposition::of(&HeaderMap::new()), Text);
        for (accept, expected) in [
            ("", Text),
            ("*/*", Text),
            ("text/plain", Text),
            ("text/html,application/xhtml+xml,*/*;q=0.8", Text),
            ("application/openmetrics-text", OpenMetrics),
            (
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                OpenMetrics,
            ),
            (
                "application/openmetrics-text;q=0.5,text/plain;version=0.0.4",
                Text,
            ),
            ("application/openmetrics-text;q=0,*/*", Text),
        ] {
            assert_eq!(of(accept), expected, "{accept}");
        }
    }

    #[test]
    fn families_have_the_names_of_their_samples() {
        let open = "# HELP a_b Info.\n# TYPE a_b info\na_b_info{version=\"1\"} 1\n\
                    # HELP a_c Count.\n# TYPE a_c counter\na_c_total 1\n\
                    # HELP a_s Time.\n# TYPE a_s histogram\n# UNIT a_s seconds\na_s_sum 1.0\na_s_count 1\n\
                    # HELP a_u Any.\n# TYPE a_u unknown\na_u 1\n# EOF\n";
        let text = "# HELP a_b_info Info.\n# TYPE a_b_info gauge\na_b_info{version=\"1\"} 1\n\
                    # HELP a_c_total Count.\n# TYPE a_c_total counter\na_c_total 1\n\
                    # HELP a_s Time.\n# TYPE a_s histogram\na_s_sum 1.0\na_s_count 1\n\
                    # HELP a_u Any.\n# TYPE a_u untyped\na_u 1\n";
        assert_eq!(to_text(open), text);
        assert_eq!(Exposition::OpenMetrics.write(open.to_owned()), open);
    }
}
