//! Metrics sent to an OpenTelemetry collector.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use serde_json::Value;

use crate::process::{PATIENCE, Service, run};

/// Takes one push and answers; the request's head and body.
fn take(listener: &TcpListener, answer: &str) -> (String, Value) {
    let (mut stream, _) = listener.accept().expect("a push");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("it takes it");
    let (head, body) = request(&mut stream);
    let _ = write!(
        stream,
        "HTTP/1.1 {answer}\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
    );
    (head, serde_json::from_slice(&body).expect("JSON"))
}

fn request(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut reader = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).expect("a head");
        if line == "\r\n" {
            break;
        }
        if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().expect("a number");
        }
        head += &line;
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("a body");
    (head, body)
}

fn metric<'a>(document: &'a Value, name: &str) -> &'a Value {
    let metrics = &document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"];
    let found = metrics
        .as_array()
        .expect("metrics")
        .iter()
        .find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not there"))
}

/// The value of a sum's point with this attribute.
fn sum(document: &Value, name: &str, attribute: &str) -> Option<f64> {
    let points = metric(document, name)["sum"]["dataPoints"].as_array()?;
    let has = |point: &&Value| point["attributes"].to_string().contains(attribute);
    points.iter().find(has)?["asDouble"].as_f64()
}

#[test]
fn a_collector_gets_what_prometheus_would_and_a_failure_is_told_once_and_made_up_for() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let addr = listener.local_addr().expect("it has one");
    let endpoint = format!("telemetry.otlp_endpoint=http://{addr}");
    let service = Service::start(&[&endpoint, "telemetry.otlp_interval=100ms"]);
    for _ in 0..3 {
        assert_eq!(service.get("/v1/pairs/eth/nobody").status, 404);
    }
    let misses = "arbitrage_cache_misses_total";
    let (head, document) = take(&listener, "200 OK");
    assert!(head.starts_with("POST /v1/metrics HTTP/1.1"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    let resource = document["resourceMetrics"][0]["resource"].to_string();
    assert!(resource.contains("service.name") && resource.contains("service.instance.id"));
    let told = metric(&document, "arbitrage_lookup_duration_us");
    assert!(
        told["histogram"]["dataPoints"][0]["explicitBounds"].is_array(),
        "{told}"
    );

    // Two that fail, told of once; the next says it all.
    take(&listener, "503 Busy");
    take(&listener, "503 Busy");
    let mut last = None;
    for _ in 0..50 {
        let (_, document) = take(&listener, "200 OK");
        last = sum(&document, misses, "\"L1\"");
        if last == Some(3.0) {
            break;
        }
    }
    assert_eq!(last, Some(3.0));
    service.wait_for("the news that it works again", |service| {
        service.log().contains("metrics reach the collector again")
    });
    let failed = service
        .log()
        .matches("metrics do not reach the collector")
        .count();
    assert_eq!(failed, 1, "{}", service.log());
}

#[test]
fn an_endpoint_that_is_none_is_refused_at_the_start() {
    let output = run(&[
        "config",
        "check",
        "--set",
        "telemetry.otlp_endpoint=collector:4317",
    ]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(
        said.contains("telemetry.otlp_endpoint") && said.contains("collector:4317"),
        "{said}"
    );
}
