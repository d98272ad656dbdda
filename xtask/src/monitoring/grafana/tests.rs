//! What Grafana gets besides dashboards.

use std::collections::BTreeSet;

use super::{contact_points, files, policy_tree, rule_groups};
use crate::monitoring::alertmanager;
use crate::monitoring::promql::{parse, series};
use crate::monitoring::routing::ROUTES;
use crate::monitoring::thresholds::Thresholds;

#[test]
fn a_grafana_rule_asks_its_datasource_for_raw_metrics_only() {
    let groups = rule_groups(&Thresholds::default(), "some-uid").expect("they are generated");
    let mut uids = BTreeSet::new();
    for rule in groups.iter().flat_map(|group| &group.rules) {
        assert!(
            rule.uid.len() <= 40 && uids.insert(&rule.uid),
            "{}",
            rule.uid
        );
        let [query, any, fires] = &rule.data[..] else {
            panic!("{} has not three nodes", rule.title)
        };
        assert_eq!(query.datasource_uid, "some-uid");
        let expr = query.model["expr"].as_str().expect("an expression");
        let names = series(&parse(expr).expect("PromQL"));
        assert!(
            !names.is_empty() && names.iter().all(|name| !name.contains(':')),
            "{names:?}"
        );
        assert_eq!(any.model["type"], "math");
        // A fault whose value is 0 (up == 0) fires, too.
        assert!(
            any.model["expression"]
                .as_str()
                .unwrap()
                .contains("is_number($query)")
        );
        assert_eq!((rule.condition, fires.ref_id), ("fires", "fires"));
        assert_eq!((rule.no_data_state, rule.exec_err_state), ("OK", "Error"));
        for (name, text) in &rule.annotations {
            assert!(!text.contains('$'), "{} {name}: {text}", rule.title);
            assert!(
                !text.contains("{{ .Value "),
                "{} {name}: {text}",
                rule.title
            );
        }
    }
    assert_eq!(uids.len(), 23);
}

#[test]
fn alertmanager_and_grafana_route_alike() {
    let yaml = alertmanager::config().expect("it is generated");
    let tree = policy_tree();
    let routes: Vec<_> = tree.routes.iter().zip(ROUTES).collect();
    assert_eq!(routes.len(), 3);
    for (policy, route) in routes {
        assert_eq!(policy.receiver, route.receiver);
        assert_eq!(
            policy.object_matchers[0].join(""),
            format!("severity={}", route.severity.name())
        );
        assert_eq!(policy.group_by, route.group_by);
        let times = [
            &policy.group_wait,
            &policy.group_interval,
            &policy.repeat_interval,
        ];
        let wanted = [
            route.group_wait,
            route.group_interval,
            route.repeat_interval,
        ];
        assert_eq!(times.map(|it| it.as_deref().unwrap_or_default()), wanted);
        assert!(
            yaml.contains(&format!("receiver: {}", route.receiver)),
            "{yaml}"
        );
    }
    assert_eq!(tree.object_matchers[0].join(""), "service=forewarm");
}

#[test]
fn the_users_timings_and_channels_hold() {
    let all: Vec<_> = ROUTES
        .iter()
        .map(|it| {
            (
                it.receiver,
                it.group_by.join(","),
                it.group_wait,
                it.group_interval,
                it.repeat_interval,
            )
        })
        .collect();
    let expected = [
        ("pagerduty-critical", "alertname,chain", "30s", "5m", "4h"),
        ("slack-warnings", "alertname", "1m", "10m", "12h"),
        ("slack-info", "alertname", "5m", "30m", "24h"),
    ];
    assert_eq!(
        all,
        expected.map(|(a, b, c, d, e)| (a, b.to_owned(), c, d, e))
    );
    let yaml = alertmanager::config().expect("it is generated");
    for channel in ["\"#warming-alerts\"", "\"#warming-info\""] {
        assert!(yaml.contains(channel), "{yaml}");
    }
}

#[test]
fn no_secret_is_in_what_is_generated() {
    for point in contact_points() {
        let settings = point.settings;
        let secret = settings
            .get("integrationKey")
            .or_else(|| settings.get("url"));
        let secret = secret.and_then(|it| it.as_str()).expect("a secret's place");
        assert!(
            secret.starts_with("${") && secret.ends_with('}'),
            "{secret}"
        );
    }
    let yaml = alertmanager::config().expect("it is generated");
    assert!(yaml.contains("routing_key_file:") && !yaml.contains("routing_key:"));
    assert!(yaml.contains("api_url_file:") && !yaml.contains("api_url:"));
}

#[test]
fn the_policies_file_warns_that_it_replaces_everything() {
    let files = files::files(&Thresholds::default()).expect("they are generated");
    let policies = files
        .iter()
        .find(|(path, _)| path.ends_with("policies.yaml"));
    let (_, text) = policies.expect("it is there");
    assert!(
        text.contains("# This file replaces the WHOLE notification policy"),
        "{text}"
    );
    for (path, text) in &files {
        assert!(text.contains("apiVersion: 1\n"), "{path}");
    }
}
