//! The roll-out: its criteria against a real Prometheus, its files, and the way back.

use std::fmt::Write as _;
use std::io::Read;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::client;
use crate::process::{Service, now_ms, run, wait_for};

/// A Prometheus with a past of our making; killed on drop.
pub(crate) struct Past {
    child: Child,
    pub(crate) url: String,
    _folder: tempfile::TempDir,
}

impl Past {
    /// `None`, said loudly, where Prometheus is not installed.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let found = Command::new("prometheus").arg("--version").output();
        let tool = Command::new("promtool").arg("--version").output();
        if found.is_err() || tool.is_err() {
            let in_ci = std::env::var("CI").is_ok_and(|value| value == "true");
            assert!(
                !in_ci,
                "prometheus is not installed, and CI must not skip tests"
            );
            eprintln!("SKIPPED: prometheus is not installed");
            return None;
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        let (metrics, data, config) = (path("past.om"), path("data"), path("prometheus.yml"));
        std::fs::write(&metrics, text).expect("written");
        std::fs::write(&config, "global: {}\n").expect("written");
        let made = Command::new("promtool")
            .args([
                "tsdb",
                "create-blocks-from",
                "openmetrics",
                "--max-block-duration=720h",
            ])
            .args([&metrics, &data])
            .output()
            .expect("promtool runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let addr = free.local_addr().expect("it has one").to_string();
        drop(free);
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={config}"))
            .arg(format!("--storage.tsdb.path={data}"))
            .arg("--storage.tsdb.retention.time=90d")
            .arg(format!("--web.listen-address={addr}"))
            .stderr(Stdio::piped())
            .spawn()
            .expect("prometheus starts");
        let mut log = child.stderr.take().expect("it is piped");
        std::thread::spawn(move || {
            let mut text = Vec::new();
            let _ = log.read_to_end(&mut text);
        });
        wait_for("Prometheus", &addr, |addr| {
            client::try_request(addr, "GET", "/-/ready", &[], b"")
                .is_ok_and(|answer| answer.status == 200)
        });
        Some(Self {
            child,
            url: format!("http://{addr}"),
            _folder: folder,
        })
    }
}

impl Drop for Past {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Series in OpenMetrics' text, with samples up to now.
pub(crate) struct Samples {
    text: String,
    pub(crate) steps: usize,
    step: f64,
    end: f64,
}

const STEPS_A_DAY: usize = 360;

impl Samples {
    /// A sample every four minutes: Prometheus looks back five for one.
    pub(crate) fn of_days(days: usize) -> Self {
        Self::every(86_400 / STEPS_A_DAY, days)
    }

    /// The same with a sample every so many seconds.
    pub(crate) fn every(seconds: usize, days: usize) -> Self {
        Self {
            text: String::new(),
            steps: days * 86_400 / seconds,
            step: seconds as f64,
            end: now_ms() as f64 / 1e3,
        }
    }

    /// One family; `value` is asked for every step of every label set.
    pub(crate) fn family(
        &mut self,
        (name, kind): (&str, &str),
        labels: &[&str],
        value: impl Fn(&str, usize) -> f64,
    ) -> &mut Self {
        let family = name.strip_suffix("_bucket").unwrap_or(name);
        let family = if kind == "counter" {
            family.trim_end_matches("_total")
        } else {
            family
        };
        let _ = writeln!(self.text, "# TYPE {family} {kind}");
        for labels in labels {
            for step in 0..=self.steps {
                let (at, value) = (self.at(step), value(labels, step));
                let _ = writeln!(self.text, "{name}{{{labels}}} {value} {at:.3}");
            }
        }
        self
    }

    /// The time of a step, in seconds since the epoch.
    pub(crate) fn at(&self, step: usize) -> f64 {
        self.end - self.step * (self.steps - step) as f64
    }

    pub(crate) fn done(&self) -> String {
        format!("{}# EOF\n", self.text)
    }
}

const JOB: &str = r#"job="forewarm",instance="a""#;

/// Eight days in shadow. `errors` cache errors happened on the last.
fn a_week(errors: f64) -> String {
    let mut samples = Samples::of_days(8);
    let last_day = samples.steps - 100;
    let rate = |step: usize| step as f64 * 6_000.0;
    samples
        .family(("up", "gauge"), &[JOB], |_, _| 1.0)
        .family(("process_start_time_seconds", "gauge"), &[JOB], |_, _| 1.0)
        .family(
            ("arbitrage_cache_errors_total", "counter"),
            &[JOB],
            |_, step| {
                if step > last_day { errors } else { 0.0 }
            },
        )
        .family(
            ("arbitrage_correlation_updates_received_total", "counter"),
            &[JOB],
            |_, step| rate(step),
        )
        .family(
            ("arbitrage_correlation_updates_tracked_total", "counter"),
            &[JOB],
            |_, step| rate(step),
        )
        .family(
            ("arbitrage_correlation_tracking_duration_us_bucket", "gauge"),
            &[
                r#"job="forewarm",instance="a",le="10""#,
                r#"job="forewarm",instance="a",le="50""#,
                r#"job="forewarm",instance="a",le="+Inf""#,
            ],
            |labels, step| rate(step) * if labels.contains("10") { 0.96 } else { 1.0 },
        )
        .family(
            ("arbitrage_warming_shadow_hits_total", "counter"),
            &[r#"job="forewarm",instance="a",strategy="topn""#],
            |_, step| rate(step) / 10.0,
        )
        .done()
}

fn check(url: &str, phase: &str) -> (Option<i32>, Value) {
    let arguments = [
        "rollout",
        "check",
        "--prometheus",
        url,
        "--phase",
        phase,
        "--format",
        "json",
    ];
    let output = run(&arguments);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{told}"));
    (output.status.code(), report)
}

/// The ids of the criteria that are not met, with the reason.
fn failed(report: &Value) -> Vec<(String, String)> {
    let rows = report["criteria"].as_array().expect("a list");
    let failed = rows.iter().filter(|row| row["passed"] == false);
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    failed
        .map(|row| (text(&row["id"]), text(&row["reason"])))
        .collect()
}

#[test]
fn a_good_week_in_shadow_passes_and_an_error_in_it_does_not() {
    let Some(good) = Past::of(&a_week(0.0)) else {
        return;
    };
    let (code, report) = check(&good.url, "1");
    assert_eq!(failed(&report), [], "{report}");
    assert_eq!((code, &report["passed"]), (Some(0), &json!(true)));
    let text = run(&[
        "rollout",
        "check",
        "--prometheus",
        &good.url,
        "--phase",
        "1",
    ]);
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    assert!(text.contains("phase 1: all criteria are met"), "{text}");
    // Nothing was fetched, so there is nothing to judge phase 3 by.
    let (code, report) = check(&good.url, "3");
    assert_eq!(code, Some(1));
    assert!(
        failed(&report).contains(&("width".to_owned(), "no data".to_owned())),
        "{report}"
    );
    let criteria = report["criteria"].as_array().expect("a list");
    let width = criteria.iter().find(|one| one["id"] == "width");
    let why = width.and_then(|one| one["missing"].as_str());
    assert!(
        why.is_some_and(|why| why.starts_with("there is no arbitrage_")),
        "{report}"
    );
    drop(good);
    let bad = Past::of(&a_week(3.0)).expect("it was there just now");
    let (code, report) = check(&bad.url, "1");
    assert_eq!(code, Some(1));
    assert_eq!(
        failed(&report),
        [("no-errors".to_owned(), "not met".to_owned())],
        "{report}"
    );
}

/// Three weeks: L1 answers 70 of 100 reads in the first, `later` of 100 in the last two; look-ups
/// take 80 µs and then `lookup` of that.
fn three_weeks(later: f64, fast: f64) -> String {
    let mut samples = Samples::of_days(22);
    let switched = 8 * STEPS_A_DAY;
    let sum = move |step: usize, before: f64, after: f64| {
        step.min(switched) as f64 * before + step.saturating_sub(switched) as f64 * after
    };
    let l1 = r#"job="forewarm",instance="a",cache_level="L1""#;
    let les = ["40", "80", "160", "+Inf"].map(|le| format!("{JOB},le=\"{le}\""));
    let les: Vec<&str> = les.iter().map(String::as_str).collect();
    samples
        .family(("process_start_time_seconds", "gauge"), &[JOB], |_, _| 1.0)
        .family(
            ("arbitrage_cache_hits_total", "counter"),
            &[l1],
            |_, step| sum(step, 70.0, later),
        )
        .family(
            ("arbitrage_cache_misses_total", "counter"),
            &[l1],
            |_, step| sum(step, 30.0, 100.0 - later),
        )
        .family(
            ("arbitrage_lookup_duration_us_bucket", "gauge"),
            &les,
            |labels, step| {
                let share = |before: f64, after: f64| sum(step, before, after);
                if labels.contains("\"40\"") {
                    share(0.0, 100.0 * fast)
                } else if labels.contains("\"80\"") {
                    share(0.0, 100.0)
                } else {
                    share(100.0, 100.0)
                }
            },
        )
        .family(
            ("arbitrage_warming_operations_total", "counter"),
            &[
                r#"job="forewarm",instance="a",status="success""#,
                r#"job="forewarm",instance="a",status="error""#,
            ],
            |labels, step| {
                sum(
                    step,
                    0.0,
                    if labels.contains("error") {
                        0.05
                    } else {
                        100.0
                    },
                )
            },
        )
        .done()
}

#[test]
fn phase_two_is_judged_against_the_week_before_it() {
    let Some(past) = Past::of(&three_weeks(92.0, 1.0)) else {
        return;
    };
    let (code, report) = check(&past.url, "2");
    assert_eq!((failed(&report), code), (vec![], Some(0)), "{report}");
    let row = &report["criteria"][0];
    let ratio = row["value"].as_f64().expect("a value");
    assert!((ratio - 92.0 / 70.0).abs() < 0.01, "{row}");
    drop(past);
    let past = Past::of(&three_weeks(76.0, 1.0)).expect("it was there just now");
    let (code, report) = check(&past.url, "2");
    assert_eq!(code, Some(1));
    assert_eq!(
        failed(&report),
        [("hit-ratio".to_owned(), "not met".to_owned())],
        "{report}"
    );
}

#[test]
fn the_files_of_the_phases_ask_exactly_what_the_check_asks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config");
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (phase, file) in [(1, "shadow"), (2, "conservative"), (3, "adaptive")] {
        let text = std::fs::read_to_string(folder.join(format!("{file}.toml"))).expect("readable");
        let comments = text.lines().filter_map(|line| line.strip_prefix('#'));
        let said = words(&comments.collect::<Vec<_>>().join(" "));
        let criteria = forewarm_application::rollout::criteria(phase).expect("a phase");
        for one in criteria {
            let asked = words(&format!(
                "{}: {} {}",
                one.words,
                one.query,
                one.wanted.text()
            ));
            assert!(said.contains(&asked), "{file}.toml does not say: {asked}");
        }
    }
}

#[test]
fn without_a_prometheus_the_check_says_so() {
    let check = |url: &str, code: i32, said: &str| {
        let output = run(&["rollout", "check", "--prometheus", url, "--phase", "1"]);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{told}");
        assert!(told.contains(said), "{told}");
    };
    check("http://127.0.0.1:1", 69, "cannot reach http://127.0.0.1:1");
    check("prometheus", 64, "--prometheus");
    let forewarm = Service::start(&[]);
    check(&format!("http://{}", forewarm.addr), 69, "404");
}

#[test]
fn a_running_service_is_switched_shown_and_rolled_back_from_the_command_line() {
    let service = Service::start(&["http.token=secret"]);
    let server = format!("http://{}", service.addr);
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "secret\n").expect("written");
    let token = token.to_str().expect("UTF-8");
    let rollout = |arguments: &[&str], with_token: bool| {
        let mut all = vec!["rollout"];
        all.extend(arguments);
        all.extend(["--server", &server]);
        if with_token {
            all.extend(["--token-file", token]);
        }
        let output = run(&all);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (
            output.status.code(),
            text(&output.stdout),
            text(&output.stderr),
        )
    };
    let (code, _, told) = rollout(&["back"], false);
    assert_eq!(code, Some(64), "{told}");
    assert!(
        told.contains("token is missing") && !told.contains("secret"),
        "{told}"
    );
    let (code, out, told) = rollout(&["set", "on", "--percent", "10", "--chain", "bsc"], true);
    assert_eq!(code, Some(0), "{told}");
    let shown = "all chains: on\nbut bsc: on for 10 % of the pairs, shadow for the rest\n";
    assert_eq!(out, shown);
    assert_eq!(rollout(&["show"], true).1, shown);
    let (code, out, _) = rollout(&["back"], true);
    assert_eq!((code, out.as_str()), (Some(0), "all chains: shadow\n"));
    assert_eq!(service.get("/v1/mode").json()["mode"], "shadow");
    let (_, out, _) = rollout(&["back", "--to", "off", "--chain", "bsc"], true);
    assert_eq!(out, "all chains: shadow\nbut bsc: off\n");
}
