//! Where spans are sent: `--otlp-endpoint`, and the variables of OpenTelemetry's specification.

use std::time::Duration;

use percent_encoding::percent_decode_str;
use sse_broadcaster_access::transport::HttpUrl;

use crate::config::{BadSetting, Config};

const FLAG: &str = "--otlp-endpoint";
const EXAMPLE: &str = "http://collector:4318";
const SIGNAL_PATH: &str = "v1/traces";
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// Spans that may wait, as the specification has it, and the most that can be set.
const DEFAULT_QUEUE: usize = 2_048;
const MAX_QUEUE: usize = 65_536;
/// The samplers that there are; the SDK reads the variable itself.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// Where spans are sent, and how. Its headers are secrets, so that it cannot be printed.
pub(super) struct Settings {
    pub(super) url: HttpUrl,
    pub(super) headers: Vec<(String, String)>,
    /// For one request.
    pub(super) timeout: Duration,
    /// Most spans that wait.
    pub(super) queue: usize,
}

/// What the settings say, and warnings about variables that have no effect as they are. `None` without an endpoint, or
/// if OpenTelemetry is switched off.
///
/// # Errors
/// For an endpoint of the flag that is no URL. One of a variable is reported, since platforms set these in all programs.
pub(super) fn read(
    config: &Config,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(Option<Settings>, Vec<String>), BadSetting> {
    let mut reader = Reader {
        variable,
        warnings: Vec::new(),
    };
    let endpoint = config.traces.otlp_endpoint.as_deref();
    let of_flag = endpoint.map(|base| {
        let url = HttpUrl::parse(&with_path(base));
        url.map_err(|_| {
            let text = sse_broadcaster::internal::Shown(base);
            BadSetting(format!(
                "{FLAG}: {text} is not a URL with http or https, such as {EXAMPLE}"
            ))
        })
    });
    let of_flag = of_flag.transpose()?;
    if reader.is_off() {
        return Ok((None, Vec::new()));
    }
    let Some(url) = of_flag.or_else(|| reader.endpoint()) else {
        return Ok((None, reader.warnings));
    };
    reader.check_protocol();
    reader.check_sampler();
    let settings = Settings {
        headers: reader.headers(),
        timeout: reader.timeout(),
        queue: reader.queue(),
        url,
    };
    if settings.url.is_exposed() && !settings.headers.is_empty() {
        reader.warn(format!(
            "the headers of OTEL_EXPORTER_OTLP_HEADERS go to {} unencrypted; use https",
            settings.url
        ));
    }
    Ok((Some(settings), reader.warnings))
}

/// The address of traces below the one of the collector.
fn with_path(base: &str) -> String {
    format!("{}/{SIGNAL_PATH}", base.trim_end_matches('/'))
}

struct Reader<F> {
    variable: F,
    warnings: Vec<String>,
}

impl<F: Fn(&str) -> Option<String>> Reader<F> {
    /// The value of a variable; an empty one counts as not set.
    fn get(&self, name: &str) -> Option<String> {
        (self.variable)(name).filter(|value| !value.is_empty())
    }

    /// The value of `OTEL_EXPORTER_OTLP_TRACES_<name>` or else of `OTEL_EXPORTER_OTLP_<name>`, and which of them it is.
    fn exporter(&self, name: &str) -> Option<(String, String)> {
        let names = [
            format!("OTEL_EXPORTER_OTLP_TRACES_{name}"),
            format!("OTEL_EXPORTER_OTLP_{name}"),
        ];
        let mut found = names
            .into_iter()
            .filter_map(|name| Some((self.get(&name)?, name)));
        found.next()
    }

    fn warn(&mut self, warning: String) {
        self.warnings.push(warning);
    }

    fn is_off(&self) -> bool {
        let is_disabled = self.get("OTEL_SDK_DISABLED");
        is_disabled.is_some_and(|value| value.eq_ignore_ascii_case("true"))
            || self
                .get("OTEL_TRACES_EXPORTER")
                .is_some_and(|value| value == "none")
    }

    fn endpoint(&mut self) -> Option<HttpUrl> {
        let (value, name) = self.exporter("ENDPOINT")?;
        let url = if name.contains("TRACES") {
            value
        } else {
            with_path(&value)
        };
        let url = HttpUrl::parse(&url).ok();
        if url.is_none() {
            self.warn(format!(
                "{name} is not a URL with http or https, such as {EXAMPLE}: no traces are sent"
            ));
        }
        url
    }

    fn check_protocol(&mut self) {
        if let Some((value, name)) = self.exporter("PROTOCOL")
            && value == "grpc"
        {
            self.warn(format!(
                "{name} is grpc, but spans are sent as http/json; name the port of the collector for HTTP, usually 4318"
            ));
        }
    }

    fn check_sampler(&mut self) {
        let sampler = self.get("OTEL_TRACES_SAMPLER");
        let Some(sampler) = sampler else { return };
        if !SAMPLERS.contains(&sampler.as_str()) {
            let (sampler, known) = (
                sse_broadcaster::internal::Shown(&sampler),
                SAMPLERS.join(", "),
            );
            self.warn(format!(
                "OTEL_TRACES_SAMPLER: {sampler} is not known, and parentbased_always_on is used; known are {known}"
            ));
        }
        let ratio = self.get("OTEL_TRACES_SAMPLER_ARG");
        let ratio = ratio.and_then(|ratio| ratio.parse::<f64>().ok());
        if sampler.ends_with("traceidratio")
            && ratio.is_none_or(|ratio| !(0.0..=1.0).contains(&ratio))
        {
            self.warn(
                "OTEL_TRACES_SAMPLER_ARG: the sampler needs a number from 0 to 1, such as 0.01, and samples all traces \
                 without"
                    .to_owned(),
            );
        }
    }

    /// `name=value,name=value`, whose values are percent-encoded.
    fn headers(&mut self) -> Vec<(String, String)> {
        let Some((list, name)) = self.exporter("HEADERS") else {
            return Vec::new();
        };
        let entries = list.split(',').filter(|entry| !entry.trim().is_empty());
        let read: Vec<_> = entries.map(header).collect();
        if read.contains(&None) {
            self.warn(format!(
                "{name}: an entry is not name=value, and is left out"
            ));
        }
        read.into_iter().flatten().collect()
    }

    fn timeout(&mut self) -> Duration {
        let Some((value, name)) = self.exporter("TIMEOUT") else {
            return DEFAULT_TIMEOUT;
        };
        let timeout = value.parse().ok().map(Duration::from_millis);
        let timeout = timeout.filter(|timeout| !timeout.is_zero() && *timeout <= MAX_TIMEOUT);
        timeout.unwrap_or_else(|| {
            self.warn(format!(
                "{name} is a number of milliseconds from 1 to 60000, and 10000 is used"
            ));
            DEFAULT_TIMEOUT
        })
    }

    fn queue(&mut self) -> usize {
        const NAME: &str = "OTEL_BSP_MAX_QUEUE_SIZE";
        let Some(value) = self.get(NAME) else {
            return DEFAULT_QUEUE;
        };
        let queue = value.parse().ok();
        let queue = queue.filter(|queue| (1..=MAX_QUEUE).contains(queue));
        queue.unwrap_or_else(|| {
            self.warn(format!(
                "{NAME} is a number of spans from 1 to {MAX_QUEUE}, and {DEFAULT_QUEUE} is used"
            ));
            DEFAULT_QUEUE
        })
    }
}

fn header(entry: &str) -> Option<(String, String)> {
    let (name, value) = entry.split_once('=')?;
    let name = name.trim();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?;
    let is_visible = value.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    (!name.is_empty() && name.bytes().all(is_token) && is_visible)
        .then(|| (name.to_owned(), value.into_owned()))
}
