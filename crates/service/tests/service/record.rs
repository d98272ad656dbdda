//! Recording: every source, the end of it, what is lost; and what was recorded replays.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;

use forewarm_infrastructure::testing::RedisServer;
use serde_json::{Value, json};

use crate::client;
use crate::process::{Service, command, now_ms, run, wait_for};

/// `forewarm record` under way.
struct Recorder {
    child: Child,
    out: PathBuf,
    said: std::sync::Arc<std::sync::Mutex<String>>,
    _folder: tempfile::TempDir,
}

impl Recorder {
    /// Starts it and waits until it records.
    fn start(name: &str, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let out = folder.path().join(name);
        let out_text = out.to_str().expect("UTF-8");
        let mut child = command(&["record", "--progress", "10ms", "--out", out_text])
            .args(arguments)
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stderr = child.stderr.take().expect("it is piped");
        let said = std::sync::Arc::<std::sync::Mutex<String>>::default();
        let kept = std::sync::Arc::clone(&said);
        thread::spawn(move || {
            let mut piece = [0; 1_024];
            while let Ok(read @ 1..) = stderr.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..read]).into_owned();
                kept.lock().expect("nobody panics with it").push_str(&text);
            }
        });
        let mut recorder = Self {
            child,
            out,
            said,
            _folder: folder,
        };
        wait_for("the recorder", &mut recorder, |it| {
            it.said().contains("recording ") || it.child.try_wait().expect("ours").is_some()
        });
        recorder
    }

    fn said(&self) -> String {
        self.said.lock().expect("nobody panics with it").clone()
    }

    /// Waits until its progress says so.
    fn wait_for(&mut self, counts: &str) {
        wait_for(counts, self, |it| it.said().contains(counts));
    }

    fn feed(&mut self, text: &str) {
        let input = self.child.stdin.as_mut().expect("it is piped");
        input.write_all(text.as_bytes()).expect("taken");
        input.flush().expect("taken");
    }

    fn interrupt(&mut self) -> Option<i32> {
        let sent = std::process::Command::new("kill")
            .args(["-INT", &self.child.id().to_string()])
            .status();
        assert!(sent.expect("`kill` can be run").success());
        self.ended()
    }

    fn ended(&mut self) -> Option<i32> {
        let mut status = None;
        wait_for("the recorder's end", &mut self.child, |child| {
            status = child.try_wait().expect("it is our child");
            status.is_some()
        });
        let code = status.expect("just seen").code();
        wait_for("its last words", &mut *self, |it| {
            it.said().contains("lost: ") || code != Some(0)
        });
        code
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Events, reads, updates and keys of a recording, by replay.
fn replayed(path: &Path) -> Value {
    let arguments = [
        "--format",
        "json",
        "--baselines",
        "off",
        "--strategies",
        "topn",
    ];
    let output = run(&[&["replay", path.to_str().expect("UTF-8")][..], &arguments].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    report["trace"].clone()
}

fn counts(trace: &Value) -> [u64; 4] {
    ["events", "reads", "updates", "distinct_keys"]
        .map(|name| trace[name].as_u64().expect("a count"))
}

#[test]
fn what_a_running_forewarm_hears_is_written_until_ctrl_c_and_replays() {
    let service = Service::start(&[]);
    let from = format!("http://{}", service.addr);
    for name in ["live.csv.gz", "live.ndjson.zst", "live.csv"] {
        let mut recorder = Recorder::start(name, &["--from", &from]);
        for n in 0..50 {
            service.get(&format!("/v1/pairs/eth/p{}", n % 5));
        }
        let updates: Vec<Value> = (0..20)
            .map(|n| json!({"ts_ms": now_ms(), "chain": "eth", "pair": format!("p{n}")}))
            .collect();
        service.send("POST", "/v1/updates", &Value::from(updates).to_string());
        service.send("PUT", "/v1/pairs/eth/p1", r#"{"value": "a secret price"}"#);
        recorder.wait_for("50 reads, 21 updates, 0 lost");
        assert_eq!(recorder.interrupt(), Some(0), "{}", recorder.said());
        let said = recorder.said();
        assert!(said.contains("71 events (50 reads, 21 updates)"), "{said}");
        assert!(said.contains("lost: 0"), "{said}");
        assert_eq!(counts(&replayed(&recorder.out)), [71, 50, 21, 20]);
        let raw = std::fs::read(&recorder.out).expect("it is there");
        assert!(
            !String::from_utf8_lossy(&raw).contains("secret"),
            "values are not recorded"
        );
    }
}

#[test]
fn a_change_that_redis_tells_of_as_well_is_written_once_and_everybody_elses_too() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let url = format!("l2.redis.url={}", redis.url());
    let service = Service::start(&["l2.backend=redis", &url]);
    service.wait_for("the link", |it| {
        it.get("/readyz").json()["invalidation_link"]["up"] == true
    });
    let mut recorder =
        Recorder::start("live.csv", &["--from", &format!("http://{}", service.addr)]);
    for n in 0..60 {
        let path = format!("/v1/pairs/eth/p{}", n % 7);
        assert_eq!(service.send("PUT", &path, r#"{"value": "1"}"#).status, 204);
        if n % 3 == 0 {
            // Past Forewarm.
            for key in [format!("price:eth:q{n}"), format!("price:eth:r{n}")] {
                redis.command(&["SET", &key, "1"]).expect("it answers");
            }
        }
    }
    service.get("/v1/pairs/eth/p1");
    recorder.wait_for("1 reads, 100 updates");
    assert_eq!(recorder.interrupt(), Some(0), "{}", recorder.said());
    let said = recorder.said();
    assert!(said.contains("101 events (1 reads, 100 updates)"), "{said}");
    let (told, _) = said
        .split_once(" changes were told by L2 as well")
        .unwrap_or_else(|| panic!("{said}"));
    let echoes = told.rsplit(' ').next().and_then(|n| n.parse::<u32>().ok());
    assert!(echoes.is_some_and(|n| (55..=60).contains(&n)), "{said}");
    assert_eq!(counts(&replayed(&recorder.out)), [101, 1, 100, 47]);
}

#[test]
fn a_slow_subscriber_is_told_how_much_it_has_missed() {
    let service = Service::start(&["tracking.queue_size=1048576"]);
    let mut slow = client::connect(&service.addr).expect("it listens");
    slow.write_all(b"GET /v1/events HTTP/1.0\r\n\r\n")
        .expect("taken");
    let mut first = [0; 512];
    let _ = slow.read(&mut first).expect("a head");
    // Fills the queue of 65,536 and what the sockets hold, and then more.
    let long = "x".repeat(400);
    let event = |n: usize| json!({"ts_ms": now_ms(), "chain": "eth", "pair": format!("{long}{n}")});
    let batch: Vec<Value> = (0..2_000).map(event).collect();
    let body = Value::from(batch).to_string();
    let (mut total, mut lost_before) = (0, 0);
    for _ in 0..60 {
        let answer = service.send("POST", "/v1/updates", &body).json();
        total += answer["accepted"].as_u64().expect("a count");
        lost_before += answer["dropped"].as_u64().expect("a count");
    }
    let mut text = String::new();
    let mut piece = vec![0; 1 << 16];
    let (mut sent, mut dropped) = (0, 0);
    while sent + dropped < total + lost_before {
        let read = slow.read(&mut piece).expect("the stream goes on");
        assert!(
            read > 0,
            "the stream ended: {sent} + {dropped} of {total} + {lost_before}"
        );
        text.push_str(&String::from_utf8_lossy(&piece[..read]));
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for line in text[..whole]
            .lines()
            .filter(|line| line.contains(r#"{"stream""#))
        {
            let start = line.find(r#"{"stream""#).expect("just seen");
            if let Ok(told) = serde_json::from_str::<Value>(&line[start..]) {
                sent = told["stream"]["sent"].as_u64().expect("a count");
                dropped = told["stream"]["dropped"].as_u64().expect("a count");
            }
        }
        text.drain(..whole);
    }
    assert_eq!(sent + dropped, total + lost_before);
    assert!(
        dropped > 0,
        "nothing was dropped: {sent} were held somewhere"
    );
}

#[test]
fn the_text_of_monitor_is_recorded_until_the_time_is_over() {
    let mut recorder = Recorder::start("m.csv.zst", &["--from", "-", "--for", "5s"]);
    recorder.feed("OK\n1700000000.1 [0 127.0.0.1:9] \"SET\" \"k\" \"secret\"\n");
    recorder.feed("1700000000.2 [0 127.0.0.1:9] \"MGET\" \"k\" \"l\"\nnonsense\n");
    // Its input stays open.
    assert_eq!(recorder.ended(), Some(0), "{}", recorder.said());
    let said = recorder.said();
    assert!(said.contains("3 events (2 reads, 1 updates)"), "{said}");
    assert!(said.contains("1 lines or entries were no events"), "{said}");
    let trace = replayed(&recorder.out);
    assert_eq!(counts(&trace), [3, 2, 1, 2]);
    assert_eq!(trace["span_ms"], 100);
}

#[test]
fn a_real_redis_is_recorded_by_monitor_and_its_append_only_file_too() {
    let Some(redis) = RedisServer::start_with(&["--appendonly", "yes"]) else {
        return;
    };
    let mut recorder = Recorder::start("m.csv", &["--from", "-"]);
    let mut monitor = std::process::Command::new("redis-cli")
        .args(["-p", &redis.port().to_string(), "MONITOR"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("redis-cli is there where redis-server is");
    let mut text = monitor.stdout.take().expect("it is piped");
    let mut ok = [0; 3];
    text.read_exact(&mut ok).expect("MONITOR says OK");
    recorder.feed("OK\n");
    for n in 0..10 {
        let key = format!("k{}", n % 3);
        redis
            .command(&["SET", &key, "v\"\r\n\u{1}"])
            .expect("it answers");
        redis.command(&["GET", &key]).expect("it answers");
    }
    let mut seen = Vec::new();
    while seen.windows(5).filter(|five| *five == b"\"GET\"").count() < 10 {
        let mut piece = [0; 4_096];
        let read = text.read(&mut piece).expect("MONITOR goes on");
        seen.extend_from_slice(&piece[..read]);
    }
    let _ = monitor.kill();
    let _ = monitor.wait();
    recorder.feed(&String::from_utf8(seen).expect("MONITOR prints ASCII"));
    drop(recorder.child.stdin.take());
    assert_eq!(recorder.ended(), Some(0), "{}", recorder.said());
    assert_eq!(counts(&replayed(&recorder.out)), [20, 10, 10, 3]);

    let folder = redis
        .command(&["CONFIG", "GET", "dir"])
        .expect("it answers");
    let folder = folder
        .lines()
        .rfind(|line| line.starts_with('/'))
        .expect("a path")
        .to_owned();
    let files = walk(Path::new(folder.trim()));
    let incr = files
        .iter()
        .find(|path| path.to_string_lossy().ends_with(".incr.aof"));
    let Some(incr) = incr else {
        return; // Before Redis 7 there is one file alone, with a preamble that is refused.
    };
    let mut recorder = Recorder::start("a.csv", &["--from", "-"]);
    recorder.feed(&std::fs::read_to_string(incr).expect("it is text"));
    drop(recorder.child.stdin.take());
    assert_eq!(recorder.ended(), Some(0), "{}", recorder.said());
    let said = recorder.said();
    assert!(said.contains("10 events (0 reads, 10 updates)"), "{said}");
    assert!(
        said.contains("bears no times") && said.contains("no read among them"),
        "{said}"
    );
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).expect("readable").flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(walk(&path)),
            path => found.push(path),
        }
    }
    found
}

#[test]
fn a_stream_is_followed_without_a_trace_and_what_was_trimmed_is_counted() {
    let Some(redis) = RedisServer::start() else {
        return;
    };
    let from = format!("redis-stream:{}/prices", redis.url());
    let mut recorder = Recorder::start("s.csv", &["--from", &from]);
    let add = |keep: &str, count: &str| {
        let script = "for i=1,tonumber(ARGV[2]) do redis.call('XADD',KEYS[1],'MAXLEN',ARGV[1],'*',\
                      'chain','eth','pair','p'..i,'op',(i%2==0) and 'read' or 'update') end";
        redis
            .command(&["EVAL", script, "1", "prices", keep, count])
            .expect("it answers");
    };
    add("1000", "40");
    recorder.wait_for("20 reads, 20 updates");
    // Of these a hundred nobody ever sees more than five.
    add("5", "100");
    wait_for("the last entries", &mut recorder, |it| {
        it.said().contains("22 reads, 23 updates") || it.said().contains("23 reads, 22 updates")
    });
    let tells = redis
        .command(&["XINFO", "STREAM", "prices"])
        .expect("it answers");
    let tells = tells.contains("entries-added");
    if tells {
        recorder.wait_for("a gap: ");
    }
    assert_eq!(recorder.interrupt(), Some(0), "{}", recorder.said());
    let said = recorder.said();
    if !tells {
        // Before Redis 7 nobody can tell.
        assert!(said.contains("lost: unknown"), "{said}");
        return;
    }
    assert!(
        said.contains("45 events") && said.contains("lost: 95"),
        "{said}"
    );
    assert!(said.contains("a gap: 95 events"), "{said}");
    assert_eq!(counts(&replayed(&recorder.out))[0], 45);
    let groups = redis
        .command(&["XINFO", "GROUPS", "prices"])
        .expect("it answers");
    assert_eq!(groups, "*0\r\n", "no group was made");
}

#[test]
fn without_its_source_nothing_is_made_and_a_source_that_ends_leaves_a_whole_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("x.csv");
    let out_text = out.to_str().expect("UTF-8");
    for from in ["http://127.0.0.1:1", "redis-stream:redis://127.0.0.1:1/s"] {
        let output = run(&["record", "--out", out_text, "--from", from]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(69), "{from}: {told}");
        assert!(!out.exists(), "{from} left a file");
    }
    let output = run(&["record", "--out", out_text, "--from", "kafka://x"]);
    assert_eq!(output.status.code(), Some(64));

    let mut service = Service::start(&[]);
    let from = format!("http://{}", service.addr);
    let mut recorder = Recorder::start("x.csv.gz", &["--from", &from]);
    service.get("/v1/pairs/eth/a");
    recorder.wait_for("1 reads");
    assert_eq!(
        service.terminate(),
        Some(0),
        "a listener does not hold up the end"
    );
    assert_eq!(recorder.ended(), Some(69), "{}", recorder.said());
    assert_eq!(counts(&replayed(&recorder.out))[0], 1);
}
