//! Live control: mode, strategy, warm, invalidate, model.

use serde_json::json;

use crate::client::request;
use crate::process::{Service, now_ms};

#[test]
fn the_mode_is_switched_live_for_all_or_one_chain() {
    let service = Service::start(&["rollout.chains.polygon.mode=shadow"]);
    let mode = service.get("/v1/mode").json();
    assert_eq!(
        (&mode["mode"], &mode["percent"]),
        (&json!("on"), &json!(100))
    );
    assert_eq!(mode["chains"]["polygon"]["mode"], "shadow");
    let answer = service.send(
        "PUT",
        "/v1/mode",
        r#"{"mode":"on","chain":"BSC","percent":10}"#,
    );
    assert_eq!(
        answer.json()["chains"]["bsc"],
        json!({"mode": "on", "percent": 10})
    );
    let answer = service.send("PUT", "/v1/mode", r#"{"mode":"off"}"#).json();
    assert_eq!(
        (&answer["mode"], &answer["chains"]),
        (&json!("off"), &json!({}))
    );
    assert_eq!(service.get("/health/warming").json()["mode"], "off");
    let detail = service
        .send("PUT", "/v1/mode", r#"{"mode":"maybe"}"#)
        .problem(400);
    assert!(
        detail.contains("maybe") && detail.contains("shadow"),
        "{detail}"
    );
    let detail = service
        .send("PUT", "/v1/mode", r#"{"mode":"on","percent":101}"#)
        .problem(400);
    assert!(detail.contains("101"), "{detail}");
    for chain in ["", &"x".repeat(65)] {
        let body = json!({ "mode": "on", "chain": chain }).to_string();
        let detail = service.send("PUT", "/v1/mode", &body).problem(400);
        assert!(detail.contains("told apart"), "{detail}");
    }
    let chains = service.get("/v1/mode").json()["chains"].clone();
    assert_eq!(
        chains,
        json!({}),
        "`other` was switched in the place of a stranger"
    );
}

#[test]
fn the_strategy_is_switched_live_and_its_parameters_are_checked() {
    let service = Service::start(&[]);
    assert_eq!(service.get("/v1/strategy").json()["strategy"], "adaptive");
    let body = r#"{"strategy":"topn","parameters":{"top_n":7}}"#;
    let answer = service.send("PUT", "/v1/strategy", body).json();
    assert_eq!(answer["strategy"], "topn");
    assert_eq!(
        answer["parameters"],
        json!({"top_n": 7.0, "min_score": 0.3})
    );
    for (body, said) in [
        (r#"{"strategy":"best"}"#, "best"),
        (
            r#"{"strategy":"topn","parameters":{"top":1}}"#,
            "warming.topn.top",
        ),
        (
            r#"{"strategy":"topn","parameters":{"min_score":2}}"#,
            "0.0 to 1.0",
        ),
        (
            r#"{"strategy":"topn","parameters":{"top_n":17}}"#,
            "warming.max_pairs_per_warm",
        ),
        (
            r#"{"strategy":"adaptive","parameters":{"min_pairs":9,"max_pairs":3}}"#,
            "max_pairs",
        ),
    ] {
        let detail = service.send("PUT", "/v1/strategy", body).problem(400);
        assert!(detail.contains(said), "{body}: {detail}");
    }
    assert_eq!(
        service.get("/v1/strategy").json()["parameters"]["top_n"],
        7.0
    );
}

#[test]
fn a_model_travels_from_one_service_to_another() {
    let teacher = Service::start(&["tracking.window=20ms"]);
    teach(&teacher);
    let model = teacher.get("/v1/model");
    assert_eq!(
        model.header("content-type"),
        Some("application/octet-stream")
    );
    let pupil = Service::start(&[]);
    let known =
        |service: &Service| service.get("/v1/correlations/eth/a").json()["correlations"].clone();
    assert_eq!(known(&pupil), json!([]));
    let put = request(&pupil.addr, "PUT", "/v1/model", &[], &model.body);
    assert_eq!(put.status, 200, "{}", put.text());
    assert!(put.json()["pairs"].as_u64().is_some_and(|pairs| pairs >= 2));
    let partners = known(&pupil);
    assert!(
        partners.as_array().is_some_and(|list| !list.is_empty()),
        "{partners}"
    );
    let broken = request(&pupil.addr, "PUT", "/v1/model", &[], b"no model");
    broken.problem(400);
}

/// Updates of `a` are followed by reads of `b`, among unrelated reads.
pub(crate) fn teach(service: &Service) {
    let mut round = 0_u64;
    service.wait_for("a partner", |service| {
        let ts_ms = now_ms();
        let stream = json!([
            {"ts_ms": ts_ms, "chain": "eth", "pair": "a"},
            {"ts_ms": ts_ms, "chain": "eth", "pair": "b", "op": "read"},
        ]);
        let noise = json!([
            {"ts_ms": ts_ms, "chain": "eth", "pair": format!("x{}", round % 7), "op": "read"},
        ]);
        let part = if round.is_multiple_of(8) {
            stream
        } else {
            noise
        };
        round += 1;
        assert_eq!(
            service
                .send("POST", "/v1/updates", &part.to_string())
                .status,
            202
        );
        let known = service.get("/v1/correlations/eth/a").json();
        known["correlations"].as_array().is_some_and(|list| {
            list.iter()
                .any(|one| one["pair"] == "b" && one["score"].as_f64() > Some(0.3))
        })
    });
}

#[test]
fn a_warm_of_what_nobody_knows_is_dropped_and_counted() {
    let service = Service::start(&[]);
    let body = json!({"keys": [{"chain": "eth", "pair": "unknown"}]}).to_string();
    let answer = service.send("POST", "/v1/warm", &body);
    assert_eq!(answer.status, 202);
    assert_eq!(answer.json(), json!({"queued": 0, "dropped": 1}));
}
