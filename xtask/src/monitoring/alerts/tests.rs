//! The contract with the user: names, groups, times, severities.

use std::collections::BTreeSet;

use super::*;
use crate::monitoring::cases;

#[test]
fn the_users_fifteen_alerts_are_there_with_their_times_and_severities() {
    let expected = "\
        forewarm-critical CorrelationTrackingSlow 5m critical
        forewarm-critical WarmingOperationsSlow 5m critical
        forewarm-critical WarmingErrorRateHigh 5m critical
        forewarm-critical CacheHitRateDropped 10m critical
        forewarm-warning CorrelationTrackingDegraded 10m warning
        forewarm-warning WarmingOperationsDegraded 10m warning
        forewarm-warning WarmingErrorRateElevated 10m warning
        forewarm-warning MemoryGrowthHigh 30m warning
        forewarm-warning TooManyPairsTracked 15m warning
        forewarm-info CacheHitRateSuboptimal 30m info
        forewarm-info WarmingThroughputLow 15m info
        forewarm-info TrackingThroughputLow 15m info
        forewarm-info LowPairsPerWarming 30m info
        forewarm-capacity CacheCapacityWarning 15m warning
        forewarm-capacity HighMemoryUsage 10m warning";
    let asked = GROUPS.iter().take(4).flat_map(|group| {
        let alerts = group.alerts.iter();
        alerts.map(|it| {
            format!(
                "{} {} {} {}",
                group.name,
                it.name,
                it.pending,
                it.severity.name()
            )
        })
    });
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    assert_eq!(asked.collect::<Vec<_>>(), expected);
    assert_eq!(GROUPS[4].name, "forewarm-beyond");
}

#[test]
fn components_and_layers_are_what_the_user_named() {
    let find = |name: &str| all().find(|alert| alert.name == name).expect("it is there");
    for (name, component, layer) in [
        ("CorrelationTrackingSlow", "warming", "hot-path"),
        ("WarmingOperationsSlow", "warming", "background"),
        ("CacheHitRateDropped", "cache", "hot-path"),
        ("CacheCapacityWarning", "warming", "capacity"),
        ("HighMemoryUsage", "warming", "capacity"),
    ] {
        let alert = find(name);
        assert_eq!((alert.component, alert.layer), (component, layer), "{name}");
    }
}

#[test]
fn a_critical_alert_shares_its_family_with_the_milder_ones_about_the_same_figure() {
    let family = |name: &str| {
        let family = all().filter(|alert| alert.family == name);
        family.map(|alert| alert.name).collect::<BTreeSet<_>>()
    };
    assert_eq!(
        family("hit-ratio"),
        BTreeSet::from([
            "CacheHitRateDropped",
            "CacheHitRateSuboptimal",
            "CacheHitRateUnseasonal"
        ])
    );
    assert_eq!(
        family("warming-errors"),
        BTreeSet::from(["WarmingErrorRateHigh", "WarmingErrorRateElevated"])
    );
    assert!(all().all(|alert| !alert.family.is_empty()));
}

#[test]
fn every_alert_has_cases_in_which_it_fires_and_in_which_it_is_silent() {
    for suite in cases::suites() {
        if cases::RECORDINGS.contains(&suite.subject) {
            assert!(!suite.cases.is_empty());
            continue;
        }
        assert!(
            suite.cases.len() >= 5,
            "{}: {}",
            suite.subject,
            suite.cases.len()
        );
        let text = suite
            .document("rules.yml", &Default::default())
            .expect("it is written");
        assert!(
            text.contains("exp_annotations"),
            "{} says nothing",
            suite.subject
        );
        let names: BTreeSet<_> = suite.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(
            names.len(),
            suite.cases.len(),
            "{} repeats itself",
            suite.subject
        );
        for word in ["fires", "silent"] {
            assert!(
                names.iter().any(|name| name.contains(word)),
                "{} {word}",
                suite.subject
            );
        }
    }
}
