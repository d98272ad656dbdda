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
    let head = "POST /v1/updates HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
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
    let start = "POST /v1/lookup HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 9\r\n\r\n{";
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
        ("POST", "/v1/invalidate-from"),
        ("POST", "/v1/warm"),
        ("PUT", "/v1/mode"),
        ("PUT", "/v1/strategy"),
        ("PUT", "/v1/model"),
    ] {
        service.send(method, path, "{}").problem(401);
    }
    assert!(!service.log().contains("s3cret"));
}

#[test]
fn a_page_whose_name_was_made_to_mean_this_machine_neither_reads_nor_writes() {
    let open = Service::start(&[]);
    let ask = |service: &Service, method: &str, host: &str| {
        let head = format!(
            "{method} /v1/mode HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: 15\r\n\r\n{{\"mode\":\"off\"}} "
        );
        let mut stream = connect(&service.addr).expect("it listens");
        stream.write_all(head.as_bytes()).expect("taken");
        read(&mut stream).expect("an answer")
    };
    for method in ["GET", "PUT"] {
        let detail = ask(&open, method, "evil.example:9464").problem(403);
        assert!(
            detail.contains("evil.example") && detail.contains("localhost"),
            "{detail}"
        );
    }
    assert_eq!(open.get("/v1/mode").json()["mode"], "on");
    assert_eq!(ask(&open, "PUT", "localhost:9464").status, 200);
    // With a token it is the token that keeps strangers out, by whatever name they come.
    let closed = Service::start(&["http.token=s3cret"]);
    assert_eq!(ask(&closed, "PUT", "cache.internal").status, 401);
    assert_eq!(ask(&closed, "GET", "cache.internal").status, 200);
}

#[test]
fn no_secret_is_in_the_log_a_page_or_an_answer_whoever_asks() {
    let service = Service::start(&[
        "telemetry.log_level=trace",
        "http.token=tok3n-s3cret",
        "resp.password=pa55-s3cret",
        "l2.redis.url=redis://user:url-s3cret@127.0.0.1:1/0",
    ]);
    let mut client = std::net::TcpStream::connect(&service.resp).expect("it listens");
    let wait = Some(std::time::Duration::from_secs(20));
    client.set_read_timeout(wait).expect("it takes it");
    let mut said = String::new();
    for words in [
        "AUTH wrong\r\n",
        "AUTH pa55-s3cret\r\n",
        "CONFIG GET *\r\n",
        "INFO\r\n",
        "CLIENT LIST\r\n",
    ] {
        client.write_all(words.as_bytes()).expect("taken");
    }
    client.write_all(b"QUIT\r\n").expect("taken");
    let _ = client.read_to_string(&mut said);
    assert!(
        said.contains("WRONGPASS") && said.contains("# Forewarm"),
        "{said}"
    );
    for given in [
        "authorization: Bearer wrong",
        "authorization: Bearer tok3n-s3cret",
    ] {
        said += &service
            .request("PUT", "/v1/mode", &[given], "nothing")
            .text();
    }
    for path in [
        "/",
        "/metrics",
        "/readyz",
        "/health/warming",
        "/v1/mode",
        "/v1/model",
        "/nowhere",
    ] {
        said += &service.get(path).text();
    }
    said += &service.log();
    assert!(!said.contains("s3cret"), "a secret got out: {said}");
}
