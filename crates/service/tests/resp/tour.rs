//! The tour of the README, as it is written there: its commands are run and its output compared.

use std::path::Path;
use std::process::Command;

use forewarm_infrastructure::testing::RedisServer;

use crate::clients::{skipped, works};
use crate::process::Service;

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    std::fs::read_to_string(path).expect("the README")
}

/// The code block behind the marker `<!-- tour:NAME -->`.
fn block<'a>(readme: &'a str, name: &str) -> &'a str {
    let marker = format!("<!-- tour:{name} -->");
    let (_, rest) = readme.split_once(&marker).expect("the marker");
    let (_, rest) = rest.split_once("```").expect("a block");
    let (_, code) = rest.split_once('\n').expect("its first line");
    code.split_once("```").expect("its end").0
}

/// How sure it is differs from run to run, all else does not.
fn without_figures(text: &str) -> String {
    let masked = text.lines().map(|line| match line.split_once("(score ") {
        Some((sentence, _)) => sentence,
        None => line,
    });
    masked.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_tour_of_the_readme_goes_as_it_says() {
    if let Err(why) = works(Command::new("redis-cli").arg("--version")) {
        return skipped("the tour", &why);
    }
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let readme = readme();
    let start = block(&readme, "start").replace("redis://127.0.0.1:6379", &redis.url());
    let forewarm = start.lines().find(|line| line.contains(" serve "));
    let settings: Vec<&str> = forewarm
        .expect("Forewarm is started")
        .split("--set ")
        .skip(1)
        .map(|setting| setting.trim_end_matches(['&', ' ']))
        .collect();
    let service = Service::start(&settings);
    service.wait_for("the invalidation link", |it| {
        it.metric("arbitrage_invalidation_link_up", &[]) == 1.0
    });
    let port = service.resp.rsplit(':').next().expect("a port");
    let run = |name: &str| {
        let script = block(&readme, name)
            .replace("-p 6379", &format!("-p {}", redis.port()))
            .replace("-p 6380", &format!("-p {port}"));
        let output = Command::new("sh").args(["-ec", &script]).output();
        let output = output.expect("a shell");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{errors}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    run("teach");
    let told = run("see");
    assert_eq!(
        without_figures(&told),
        without_figures(block(&readme, "output")),
        "told:\n{told}"
    );
}
