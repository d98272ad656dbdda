//! Why a pair is or isn't warmed, over HTTP and from the command line.

use serde_json::{Value, json};

use crate::control::teach;
use crate::process::{Service, run};

fn explain(service: &Service, arguments: &[&str]) -> (Option<i32>, String, String) {
    let server = format!("http://{}", service.addr);
    let all = [&["explain"][..], arguments, &["--server", &server]].concat();
    let output = run(&all);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn partner<'a>(answer: &'a Value, pair: &str) -> &'a Value {
    let partners = answer["partners"].as_array().expect("a list");
    let found = partners
        .iter()
        .find(|row| row["pair"] == pair && row["after"] == "update");
    found.unwrap_or_else(|| panic!("{pair} is not in {answer}"))
}

#[test]
fn a_learned_pair_is_explained_in_figures_and_in_words() {
    let service = Service::start(&["tracking.window=20ms"]);
    teach(&service);
    let answer = service.get("/v1/explain/eth/a").json();
    assert_eq!(
        (&answer["known"], &answer["mode"]),
        (&json!(true), &json!("on"))
    );
    let b = partner(&answer, "b");
    for figure in [
        "score",
        "probability",
        "support",
        "lift",
        "lag_ms",
        "expected",
    ] {
        assert!(b[figure].as_f64().is_some(), "{figure} in {b}");
    }
    assert!(
        b["score"].as_f64() > Some(0.3) && b["lift"].as_f64() > Some(1.0),
        "{b}"
    );
    assert!(
        b["followed"]
            .as_array()
            .is_some_and(|list| list.contains(&json!(true))),
        "{b}"
    );
    let words = answer["words"].as_str().expect("words");
    assert!(
        words.contains("eth/a is not in L1") && words.contains("eth/b in "),
        "{words}"
    );
    // The other way round: who points to b?
    let pointed = service.get("/v1/explain/eth/b").json();
    let sources = pointed["pointed_at_by"].as_array().expect("a list");
    assert!(
        sources
            .iter()
            .any(|row| row["pair"] == "a" && row["after"] == "update"),
        "{pointed}"
    );

    let (code, out, _) = explain(&service, &["ETH/a", "--format", "json"]);
    assert_eq!(code, Some(0));
    let told: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(told["partners"][0]["pair"], answer["partners"][0]["pair"]);
    let (code, out, _) = explain(&service, &["eth:a"]);
    assert_eq!(code, Some(0));
    for part in ["followed by", "eth/b", "After an update of it"] {
        assert!(out.contains(part), "{part:?} is missing in {out}");
    }
}

#[test]
fn in_shadow_the_reason_is_told() {
    let service = Service::start(&["tracking.window=20ms", "warming.mode=shadow"]);
    teach(&service);
    let answer = service.get("/v1/explain/eth/a").json();
    assert_eq!(answer["against"], json!(["the mode is shadow"]));
    assert_eq!(answer["would_warm"], 0);
    let words = answer["words"].as_str().expect("words");
    assert!(
        words.contains("Nothing would be fetched now: the mode is shadow."),
        "{words}"
    );
}

#[test]
fn a_key_outside_the_template_is_found_by_its_text_and_an_unknown_one_is_said_to_be() {
    let service = Service::start(&[]);
    let body = r#"{"ts_ms":NOW,"key":"user:42"}"#;
    let body = body.replace("NOW", &crate::process::now_ms().to_string());
    service.send("POST", "/v1/updates", &body);
    service.wait_for("the key to be known", |service| {
        service.get("/v1/explain/user/42").json()["known"] == true
    });
    let answer = service.get("/v1/explain/default/user%3A42").json();
    assert_eq!(
        (&answer["known"], &answer["key"]),
        (&json!(true), &json!("user:42"))
    );
    let (code, out, _) = explain(&service, &["nobody/knows"]);
    assert_eq!(code, Some(0));
    assert!(out.contains("nobody/knows is not known"), "{out}");
    service.get("/v1/explain//x").problem(400);
}

#[test]
fn a_server_that_is_not_there_and_a_name_that_is_none_have_their_exit_codes() {
    let gone = ["explain", "eth/a", "--server", "http://127.0.0.1:1"];
    let check = |arguments: &[&str], code: i32, said: &str| {
        let output = run(arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(said), "{arguments:?}: {told}");
    };
    check(&gone, 69, "cannot reach http://127.0.0.1:1");
    check(&["explain", "eth/"], 64, "\"eth/\"");
    check(
        &["explain", "eth/a", "--server", "localhost"],
        64,
        "--server",
    );
}
