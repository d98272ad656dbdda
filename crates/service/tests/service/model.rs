//! The learned model: from the command line, merged without a service, and kept in L2.

use forewarm_infrastructure::testing::RedisServer;
use serde_json::json;

use crate::control::teach;
use crate::process::{Service, run};

fn model(arguments: &[&str]) -> (Option<i32>, String) {
    let output = run(&[&["model"][..], arguments].concat());
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn knows(service: &Service) -> bool {
    let known = service.get("/v1/correlations/eth/a").json();
    let list = known["correlations"].as_array().expect("a list").clone();
    list.iter()
        .any(|one| one["pair"] == "b" && one["score"].as_f64() > Some(0.3))
}

#[test]
fn a_model_is_saved_merged_and_loaded_from_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
    let (one, both, broken) = (path("one.fw"), path("both.fw"), path("broken.fw"));
    let teacher = Service::start(&["tracking.window=20ms"]);
    teach(&teacher);
    let server = format!("http://{}", teacher.addr);
    let (code, told) = model(&["save", &one, "--server", &server]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("pairs saved in"), "{told}");
    let (code, told) = model(&["merge", &one, &one, "--out", &both]);
    assert_eq!(code, Some(0), "{told}");
    assert!(told.contains("of 2 files"), "{told}");
    let pupil = Service::start(&[]);
    let server = format!("http://{}", pupil.addr);
    assert!(!knows(&pupil));
    let (code, told) = model(&["load", &both, "--server", &server]);
    assert_eq!(code, Some(0), "{told}");
    assert!(knows(&pupil));
    let support = |service: &Service| {
        let known = service.get("/v1/explain/eth/a").json();
        let partners = known["partners"].as_array().expect("a list").clone();
        let b = partners
            .iter()
            .find(|row| row["pair"] == "b" && row["after"] == "update");
        b.expect("it is there")["support"]
            .as_f64()
            .expect("a figure")
    };
    let (before, after) = (support(&teacher), support(&pupil));
    assert!(
        (after / before - 2.0).abs() < 0.2,
        "{before} twice is not {after}"
    );

    std::fs::write(&broken, b"FWMODEL\x02 and then nothing of use").expect("written");
    for arguments in [
        vec!["load", broken.as_str(), "--server", &server],
        vec!["merge", &one, &broken, "--out", &both],
        vec!["load", "nowhere.fw", "--server", &server],
    ] {
        let (code, told) = model(&arguments);
        assert_eq!(code, Some(66), "{arguments:?}: {told}");
    }
    let (code, told) = model(&["save", &path("x.fw"), "--server", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(69), "{told}");
}

#[test]
fn a_new_instance_starts_with_what_the_last_one_kept_in_l2() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let url = format!("l2.redis.url={}", redis.url());
    let settings = [
        "l2.backend=redis",
        &url,
        "model.l2_key=forewarm:model",
        "tracking.window=20ms",
    ];
    let mut first = Service::start(&settings);
    teach(&first);
    assert_eq!(first.terminate(), Some(0));
    let keys = redis
        .command(&["KEYS", "forewarm:model*"])
        .expect("it answers");
    assert!(keys.starts_with("*2\r\n"), "contents and one part: {keys}");
    let ttl = redis
        .command(&["TTL", "forewarm:model"])
        .expect("it answers");
    assert_ne!(ttl, ":-1\r\n", "it must expire when nobody saves any more");
    let mut second = Service::start(&settings);
    second.wait_for("the model", |service| {
        service.get("/startupz").status == 200
    });
    assert!(knows(&second), "{}", second.log());
    assert!(
        second.log().contains("the model was restored"),
        "{}",
        second.log()
    );
    // A save replaces the parts of the one before.
    assert_eq!(second.terminate(), Some(0));
    let keys = redis
        .command(&["KEYS", "forewarm:model*"])
        .expect("it answers");
    assert!(keys.starts_with("*2\r\n"), "the old part was left: {keys}");
    // What is there and no model is said, and the start is cold.
    redis
        .command(&[
            "SET",
            "forewarm:model",
            r#"{"generation":"x","parts":1,"bytes":3}"#,
        ])
        .expect("it answers");
    redis
        .command(&["SET", "forewarm:model:x:0", "abc"])
        .expect("it answers");
    let third = Service::start(&settings);
    third.wait_for("the start", |service| {
        service.get("/startupz").status == 200
    });
    assert_eq!(
        third.get("/v1/correlations/eth/a").json()["correlations"],
        json!([])
    );
    third.wait_for("the reason", |service| {
        service.log().contains("the saved model is unusable")
    });
}
