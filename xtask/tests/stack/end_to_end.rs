//! Load → metrics → dashboards, and outage → rule → route → webhook → recovery.

use std::time::Duration;

use serde_json::Value;

use crate::load::Load;
use crate::processes::{
    Stack, fill, free_port, now_ms, publish, redis, servers_are_there, service, wait_for, xtask,
};

/// The alert's minutes are seconds here: a window of 5m is 6 s, `for` 5 s, a group's wait 1 s.
const COMPRESS: &str = "60";

/// Whether the alert has reached the receiver in this state.
fn arrived(stack: &Stack, receiver: &str, alert: &str, status: &str) -> Result<(), String> {
    let all = stack.notifications();
    let fits = |one: &Value| {
        let alerts = one["alerts"].as_array().map_or(&[][..], Vec::as_slice);
        one["receiver"] == receiver
            && alerts
                .iter()
                .any(|one| one["labels"]["alertname"] == alert && one["status"] == status)
    };
    if all.iter().any(fits) {
        return Ok(());
    }
    let seen = all.iter().map(|one| {
        let names = one["alerts"].as_array().into_iter().flatten();
        let names: Vec<String> = names
            .map(|one| format!("{} {}", one["labels"]["alertname"], one["status"]))
            .collect();
        format!("{}: {}", one["receiver"], names.join(", "))
    });
    Err(seen.collect::<Vec<_>>().join("\n"))
}

/// What the seasonal band is made of: the hit ratio at this hour of the last seven days, in the
/// test's time, in which a day has 24 minutes. It can't be scraped in a minute, so it is given.
fn history() -> String {
    let series = "job_chain:l1_hit_ratio:avg1h";
    let (days, now) = (8, now_ms() / 1_000);
    let mut text = format!("# TYPE {series} gauge\n");
    for back in (2..days * 48).rev() {
        let labels = "{job=\"forewarm\",chain=\"ethereum\"}";
        text += &format!("{series}{labels} 0.9 {}\n", now - back * 30);
    }
    text + "# EOF\n"
}

/// What the service itself says about its warming, for whoever has to find out.
fn warming(addr: &str) -> String {
    let answer = ureq::get(format!("http://{addr}/metrics")).call();
    let text = answer
        .ok()
        .and_then(|mut answer| answer.body_mut().read_to_string().ok());
    let text = text.unwrap_or_default();
    let ours = [
        "arbitrage_warming_",
        "arbitrage_l2_",
        "arbitrage_correlation_updates",
    ];
    let lines = text
        .lines()
        .filter(|line| ours.iter().any(|name| line.starts_with(name)));
    lines
        .filter(|line| !line.contains("_bucket"))
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_panel_has_data_and_an_outage_of_l2_reaches_the_pager_and_recovery_resolves_it() {
    if !servers_are_there() {
        return;
    }
    let addr = format!("127.0.0.1:{}", free_port());
    let stack = Stack::up(&addr, COMPRESS, &history());
    let redis_url = stack.url("redis");
    let (mut load, start) = Load::prepare();
    fill(&redis_url, &load.keys);
    let url = format!("l2.redis.url={redis_url}");
    let _service = service(
        &addr,
        &[
            "l2.backend=redis",
            &url,
            "feeds=[{kind=\"redis-stream\"}]",
            // So little that it must evict.
            "l1.capacity_bytes=16KiB",
            "tracking.window=200ms",
        ],
    );
    start(&mut load, &addr);
    publish(&redis_url, &["weth-usdc", "weth-dai"]);

    // Every query of every panel returns something.
    let prometheus = stack.url("prometheus");
    let check = [
        "check",
        "--prometheus",
        &prometheus,
        "--rate-interval",
        "10s",
    ];
    wait_for("data in every panel", Duration::from_secs(60), || {
        let output = xtask(&check);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // This service has every optional part; the link only where it is built with one.
        let mut lines = said.lines().filter(|line| line.starts_with("not here"));
        let whole = lines.all(|line| line.contains("invalidation_link_up"));
        if output.status.success() && whole {
            Ok(())
        } else {
            Err(said)
        }
    });
    let critical = ("pagerduty-critical", "WarmingErrorRateHigh");
    assert!(
        arrived(&stack, critical.0, critical.1, "firing").is_err(),
        "nothing is wrong yet"
    );

    // L2 goes away: the pager rings, by the critical route.
    stack.kill("redis");
    wait_for("the alarm", Duration::from_secs(60), || {
        let arrived = arrived(&stack, critical.0, critical.1, "firing");
        arrived.map_err(|seen| format!("{seen}\n{}", warming(&addr)))
    });

    // And comes back: it is resolved.
    let _redis = redis(&redis_url);
    fill(&redis_url, &load.keys);
    wait_for("the end of the alarm", Duration::from_secs(90), || {
        arrived(&stack, critical.0, critical.1, "resolved")
    });
}
