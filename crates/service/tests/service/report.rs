//! `forewarm report` against a real Prometheus with a past of our making.

use serde_json::Value;

use crate::process::run;
use crate::rollout::{Past, Samples};

const L1: &str = r#"job="forewarm",instance="a",cache_level="L1""#;
const STEPS_A_DAY: usize = 1_440;

/// Three days at a hit ratio of 93 %, but for two hours of the second day at 70 %.
fn past() -> String {
    let mut samples = Samples::every(60, 3);
    let bad = STEPS_A_DAY + 300..STEPS_A_DAY + 420;
    let hits = move |step: usize| {
        let low = step.clamp(bad.start, bad.end) - bad.start;
        (step - low) as f64 * 930.0 + low as f64 * 700.0
    };
    let misses = move |step: usize| step as f64 * 1_000.0 - hits(step);
    let alert = |name: &str, severity: &str| {
        format!(r#"alertname="{name}",alertstate="firing",job="forewarm",severity="{severity}""#)
    };
    let (dropped, slow) = (
        alert("CacheHitRateDropped", "critical"),
        alert("WarmingOperationsSlow", "warning"),
    );
    samples
        .family(
            ("arbitrage_cache_hits_total", "counter"),
            &[L1],
            move |_, step| hits(step),
        )
        .family(
            ("arbitrage_cache_misses_total", "counter"),
            &[L1],
            move |_, step| misses(step),
        );
    let mut text = samples.done();
    text.truncate(text.len() - "# EOF\n".len());
    text.push_str("# TYPE ALERTS gauge\n");
    // The one alert stands for the bad hours; the other comes three times for five minutes, out of
    // the blue.
    let minutes = |name: &str, from_step: usize, minutes: usize| {
        let begin = samples.at(from_step);
        let lines = (0..=minutes).map(|minute| {
            let at = begin + 60.0 * minute as f64;
            format!("ALERTS{{{name}}} 1 {at:.3}\n")
        });
        lines.collect::<String>()
    };
    text.push_str(&minutes(&dropped, STEPS_A_DAY + 305, 115));
    for step in [200, 1_000, 2 * STEPS_A_DAY + 500] {
        text.push_str(&minutes(&slow, step, 5));
    }
    text.push_str("# EOF\n");
    text
}

#[test]
fn bands_alerts_and_likely_false_ones_are_told_from_a_past_that_is_known() {
    let Some(past) = Past::of(&past()) else {
        return;
    };
    let arguments = ["report", "--prometheus", &past.url, "--range", "3d"];
    let output = run(&[&arguments[..], &["--format", "json"]].concat());
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let band = |id: &str| {
        let bands = report["bands"].as_array().expect("a list");
        bands
            .iter()
            .find(|band| band["id"] == id)
            .expect("it is told")
            .clone()
    };
    let hits = band("l1_hit_ratio");
    let quantile = |name: &str| hits["quantiles"][name].as_f64().expect("a figure");
    assert!((quantile("p50") - 0.93).abs() < 0.005, "{hits}");
    assert!((0.65..0.75).contains(&quantile("p1")), "{hits}");
    let critical = hits["suggested"]["critical"].as_f64().expect("a level");
    assert!(
        critical < hits["suggested"]["info"].as_f64().expect("a level"),
        "{hits}"
    );
    assert!(
        band("tracking_p95_us")["quantiles"].is_null(),
        "nothing was seen of it"
    );
    let alert = |name: &str| {
        let alerts = report["alerts"].as_array().expect("a list");
        alerts
            .iter()
            .find(|alert| alert["alert"] == name)
            .expect("it fired")
            .clone()
    };
    let (dropped, slow) = (alert("CacheHitRateDropped"), alert("WarmingOperationsSlow"));
    assert_eq!(
        (&dropped["fired"], &dropped["likely_false"]),
        (&1.into(), &0.into()),
        "{dropped}"
    );
    assert_eq!(
        (&slow["fired"], &slow["likely_false"]),
        (&3.into(), &3.into()),
        "{slow}"
    );

    let output = run(&arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for part in [
        "The last 3 days",
        "l1_hit_ratio",
        "never confirmed",
        "[l1_hit_ratio]",
        "Likely false",
    ] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
    assert!(text.contains("no data: tracking_p95_us"), "{text}");
}

#[test]
fn an_empty_prometheus_is_an_answer_and_none_at_all_is_not() {
    let output = run(&["report", "--prometheus", "http://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(69));
    let output = run(&[
        "report",
        "--prometheus",
        "http://127.0.0.1:1",
        "--range",
        "1s",
    ]);
    assert_eq!(output.status.code(), Some(64));
    let Some(past) = Past::of(&Samples::of_days(0).done()) else {
        return;
    };
    let output = run(&["report", "--prometheus", &past.url]);
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("No alert fired.") && text.contains("no data: "),
        "{text}"
    );
}
