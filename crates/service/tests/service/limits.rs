//! Limits and authorisation.

use std::io::{Read, Write};

use serde_json::json;

use crate::client::{LAST, connect, half_request, read, request};
use crate::process::Service;

#[test]
fn bodies_and_batches_past_the_limit_are_refused_with_the_limit() {
    let service = Service::start(&["http.max_body_bytes=1KiB", "http.max_batch=3"]);
    let large = format!("[{}]", " ".repeat(2_000));
    let detail = service.send("POST", "/v1/updates", &large).problem(413);
    assert!(
        detail.contains("1KiB") && detail.contains("http.max_body_bytes"),
        "{detail}"
    );
    // Without a length that could be refused beforehand.
    let mut stream = connect(&service.addr).expect("it listens");
    let head = "POST /v1/updates HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).expect("taken");
    let chunk = format!("7d0\r\n{}\r\n0\r\n\r\n", " ".repeat(2_000));
    let _ = stream.write_all(chunk.as_bytes());
    assert!(
        read(&mut stream)
            .expect("an answer")
            .problem(413)
            .contains("1KiB")
    );
    let keys = json!({"keys": [{"pair": "a"}, {"pair": "b"}, {"pair": "c"}, {"pair": "d"}]});
    let detail = service
        .send("POST", "/v1/lookup", &keys.to_string())
        .problem(413);
    assert!(
        detail.contains("at most 3") && detail.contains("http.max_batch"),
        "{detail}"
    );
}

#[test]
fn requests_past_the_limit_are_told_to_come_back_and_probes_still_answer() {
    let service = Service::start(&["http.max_concurrent=1"]);
    let mut slow = half_request(&service.addr, "connection: close\r\n");
    let refused = service.get("/v1/mode");
    assert_eq!(refused.header("retry-after"), Some("1"));
    let detail = refused.problem(429);
    assert!(
        detail.contains('1') && detail.contains("http.max_concurrent"),
        "{detail}"
    );
    assert_eq!(service.get("/healthz").status, 200);
    assert_eq!(service.get("/metrics").status, 200);
    slow.write_all(LAST).expect("taken");
    assert_eq!(read(&mut slow).expect("an answer").status, 200);
    service.wait_for("the place to be free", |it| {
        it.get("/v1/mode").status == 200
    });
}

#[test]
fn a_client_that_dawdles_is_disconnected() {
    let service = Service::start(&["http.header_timeout=200ms", "http.request_timeout=300ms"]);
    let mut head = connect(&service.addr).expect("it listens");
    head.write_all(b"GET /v1/mode HTTP/1.1\r\nx-")
        .expect("taken");
    let mut rest = Vec::new();
    let _ = head.read_to_end(&mut rest);
    assert!(!String::from_utf8_lossy(&rest).contains("200 OK"));
    let mut body = connect(&service.addr).expect("it listens");
    let start =
        "POST /v1/lookup HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{";
    body.write_all(start.as_bytes()).expect("taken");
    let detail = read(&mut body).expect("an answer").problem(408);
    assert!(detail.contains("http.request_timeout"), "{detail}");
}

#[test]
fn a_head_past_the_limit_is_refused_and_the_service_lives() {
    let service = Service::start(&[]);
    let long = format!("x-long: {}", "a".repeat(200_000));
    let answer = crate::client::try_request(&service.addr, "GET", "/healthz", &[&long], b"");
    assert!(answer.is_err() || answer.is_ok_and(|answer| answer.status == 431));
    assert_eq!(service.get("/healthz").status, 200);
}

#[test]
fn changes_need_the_token_and_reads_do_not() {
    let service = Service::start(&["http.token=s3cret"]);
    let put = |headers: &[&str]| {
        let headers = [&["content-type: application/json"], headers].concat();
        request(
            &service.addr,
            "PUT",
            "/v1/pairs/eth/a",
            &headers,
            br#"{"value":"1"}"#,
        )
    };
    let refused = put(&[]);
    assert_eq!(refused.header("www-authenticate"), Some("Bearer"));
    assert!(refused.problem(401).contains("missing"));
    for wrong in ["Bearer s3cre", "Bearer s3crets", "Basic s3cret", "Bearer "] {
        put(&[&format!("authorization: {wrong}")]).problem(401);
    }
    assert_eq!(put(&["authorization: bearer s3cret"]).status, 204);
    assert_eq!(service.get("/v1/pairs/eth/a").status, 200);
    assert_eq!(
        service.send("POST", "/v1/lookup", r#"{"keys":[]}"#).status,
        200
    );
    for (method, path) in [
        ("POST", "/v1/updates"),
        ("POST", "/v1/invalidate"),
        ("POST", "/v1/warm"),
        ("PUT", "/v1/mode"),
        ("PUT", "/v1/strategy"),
        ("PUT", "/v1/model"),
    ] {
        service.send(method, path, "{}").problem(401);
    }
    assert!(!service.log().contains("s3cret"));
}
