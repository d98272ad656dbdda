//! The examples run and show what they say.

use crate::process::Service;

#[path = "../../examples/embed.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod embed;
#[path = "../../examples/http_client.rs"]
mod http_client;
#[path = "../../examples/redis_client.rs"]
mod redis_client;
#[path = "../../examples/replay_library.rs"]
mod replay_library;

#[tokio::test(flavor = "multi_thread")]
async fn the_embedding_example_sees_a_warm_and_a_reorganisation() {
    let seen = embed::play().await.expect("it runs");
    let wanted = embed::Seen {
        warmed: true,
        orphaned: 3,
    };
    assert_eq!(seen, wanted);
}

#[test]
fn the_redis_and_the_http_example_run_against_one_service() {
    let service = Service::start(&[]);
    let info = redis_client::play(&format!("redis://{}", service.resp)).expect("it runs");
    assert!(info.contains("# Forewarm"), "{info}");
    let found = http_client::play(&format!("http://{}", service.addr)).expect("it runs");
    assert_eq!(found["results"][0]["value"], "3150.2");
    assert!(found["results"][1].is_null());
}

#[test]
fn the_replay_example_finds_that_warming_pays_on_a_market() {
    let report = replay_library::play(None).expect("it runs");
    let removed = |name: &str| {
        let run = report.runs.iter().find(|run| run.strategy == name);
        run.expect("it played").misses_removed_ratio
    };
    assert!(
        removed("adaptive") > 0.2 && removed("topn") > 0.2,
        "{report:?}"
    );
    assert_eq!(report.recommended, "adaptive");
}
