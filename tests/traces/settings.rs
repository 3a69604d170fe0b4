//! The flag, and the variables of OpenTelemetry's specification.

use super::{Collector, publish, publish_in, server, traceparent};
use crate::support::{Server, command};

#[test]
fn the_variables_of_opentelemetry_name_the_service_the_collector_and_its_headers() {
    let mut collector = Collector::start();
    let mut command = command(&["--listen", "127.0.0.1:0"]);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "20");
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1/not-here");
    command.env(
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        format!("{}/own/path", collector.url()),
    );
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20secret, x-tenant=7");
    command.env("OTEL_SERVICE_NAME", "orders-events");
    command.env(
        "OTEL_RESOURCE_ATTRIBUTES",
        "deployment.environment.name=staging",
    );
    let mut server = Server::spawn(command);
    publish_in(&server, &traceparent(1, true), "a");
    let export = collector.export();
    let head = export.head.to_ascii_lowercase();
    for line in [
        "post /own/path http/1.1",
        "x-key: a secret",
        "x-tenant: 7",
        "content-type: application/json",
    ] {
        assert!(head.lines().any(|sent| sent == line), "{line}: {head}");
    }
    for part in [
        r#"{"key":"service.name","value":{"stringValue":"orders-events"}}"#,
        r#"{"key":"deployment.environment.name","value":{"stringValue":"staging"}}"#,
    ] {
        assert!(export.body.contains(part), "{part}: {}", export.body);
    }
    assert!(!server.log().contains("a secret"));
}

#[test]
fn a_service_without_a_name_has_that_of_the_program_and_traces_are_at_their_own_path() {
    let mut collector = Collector::start();
    let server = server(&collector.url(), &[], &[]);
    publish_in(&server, &traceparent(1, true), "a");
    let export = collector.export();
    assert!(
        export.head.starts_with("POST /v1/traces HTTP/1.1"),
        "{}",
        export.head
    );
    assert!(export.body.contains(r#"{"stringValue":"sse-broadcaster"}"#));
}

#[test]
fn the_sampler_of_the_variable_decides_where_the_client_does_not() {
    let mut collector = Collector::start();
    let variables = [
        ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0"),
    ];
    let server = server(&collector.url(), &[], &variables);
    for _ in 0..20 {
        publish(&server, "/events", "X-A: 1", "x");
    }
    publish_in(&server, &traceparent(1, true), "a");
    let first = collector.span("POST /events");
    assert_eq!(first.text("traceId"), super::trace_id(1));
}

#[test]
fn without_an_endpoint_or_with_the_sdk_disabled_there_is_no_thread_and_no_metric_of_traces() {
    let collector = Collector::start();
    let threads = |server: &Server| {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.pid())).unwrap();
        let names = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")));
        names
            .map(Result::unwrap)
            .filter(|name| name.starts_with("OpenTelemetry"))
            .count()
    };
    let has_metric = |server: &Server| server.get("/metrics").text().contains("trace_spans");
    let on = server(&collector.url(), &[], &[]);
    assert_eq!((threads(&on), has_metric(&on)), (1, true));
    for off in [
        Server::start(&[]),
        server(&collector.url(), &[], &[("OTEL_SDK_DISABLED", "true")]),
        server(&collector.url(), &[], &[("OTEL_TRACES_EXPORTER", "none")]),
    ] {
        assert_eq!((threads(&off), has_metric(&off)), (0, false));
    }
}

#[test]
fn a_wrong_endpoint_of_the_flag_is_refused_and_one_of_a_variable_is_reported() {
    let refused = command(&[
        "--listen",
        "127.0.0.1:0",
        "--otlp-endpoint",
        "collector:4317",
    ]);
    let log = Server::try_spawn(refused).map(drop).unwrap_err();
    let expected = "--otlp-endpoint: collector:4317 is not a URL with http or https, such as http://collector:4318";
    assert!(log.contains(expected), "{log}");
    let mut reported = command(&["--listen", "127.0.0.1:0"]);
    reported.env("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317");
    reported.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let mut server = Server::spawn(reported);
    let log = server.log();
    assert!(
        log.contains("OTEL_EXPORTER_OTLP_ENDPOINT is not a URL"),
        "{log}"
    );
    let mut warned = command(&[
        "--listen",
        "127.0.0.1:0",
        "--otlp-endpoint",
        "http://127.0.0.1:1",
    ]);
    warned.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    warned.env("OTEL_EXPORTER_OTLP_TIMEOUT", "soon");
    warned.env("OTEL_TRACES_SAMPLER", "jaeger_remote");
    let log = Server::spawn(warned).log();
    for part in [
        "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, but spans are sent as http/json",
        "OTEL_EXPORTER_OTLP_TIMEOUT is a number of milliseconds",
        "OTEL_TRACES_SAMPLER: jaeger_remote is not known",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
}
