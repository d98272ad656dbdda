//! Which crate may depend on which: the layers, held by `cargo metadata` against one table.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::tidy::Fault;
use crate::workspace::Workspace;

/// A member of the workspace, and the members that it may depend on.
struct Layer {
    name: &'static str,
    /// In any dependency.
    may_use: &'static [&'static str],
    /// Also in dev-dependencies.
    tests_may_use: &'static [&'static str],
    /// Pure: no network, files, clocks, metrics or logging.
    pure: bool,
}

const DOMAIN: &str = "forewarm-domain";
const STRATEGIES: &str = "forewarm-strategies";
const APPLICATION: &str = "forewarm-application";
const INFRASTRUCTURE: &str = "forewarm-infrastructure";
const SERVICE: &str = "forewarm-service";

const LAYERS: [Layer; 7] = [
    Layer {
        name: DOMAIN,
        may_use: &[],
        tests_may_use: &[],
        pure: true,
    },
    Layer {
        name: STRATEGIES,
        may_use: &[DOMAIN],
        tests_may_use: &[],
        pure: true,
    },
    Layer {
        name: APPLICATION,
        may_use: &[DOMAIN],
        tests_may_use: &[STRATEGIES],
        pure: true,
    },
    Layer {
        name: INFRASTRUCTURE,
        may_use: &[APPLICATION, DOMAIN],
        tests_may_use: &[],
        pure: false,
    },
    Layer {
        name: SERVICE,
        may_use: &[INFRASTRUCTURE, APPLICATION, STRATEGIES, DOMAIN],
        tests_may_use: &[],
        pure: false,
    },
    Layer {
        name: "forewarm-bench",
        may_use: &[SERVICE, INFRASTRUCTURE, APPLICATION, STRATEGIES, DOMAIN],
        tests_may_use: &[],
        pure: false,
    },
    Layer {
        name: "xtask",
        may_use: &[APPLICATION],
        tests_may_use: &[],
        pure: false,
    },
];

/// Crates that a pure layer may not depend on outside its tests; `*` ends a prefix.
const IMPURE: [&str; 18] = [
    "axum*",
    "clap*",
    "figment",
    "fjall",
    "fred",
    "hyper*",
    "metrics*",
    "opentelemetry*",
    "prometheus*",
    "quanta",
    "quick_cache",
    "redb",
    "redis*",
    "reqwest",
    "socket2",
    "tracing*",
    "ureq",
    "xtask",
];
/// Features of tokio that reach outside the process.
const IMPURE_TOKIO: [&str; 6] = ["fs", "full", "io-std", "net", "process", "signal"];

/// The members of the workspace, lower layers first.
pub(crate) fn members() -> impl Iterator<Item = &'static str> {
    LAYERS.iter().map(|layer| layer.name)
}

/// What the workspace's manifests do against the table.
pub(crate) fn faults(workspace: &Workspace) -> Result<Vec<Fault>> {
    Ok(check(&parse(&workspace.metadata()?)?))
}

/// A member and what its manifest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Member {
    name: String,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Dependency {
    name: String,
    dev: bool,
    features: Vec<String>,
}

fn parse(metadata: &Value) -> Result<Vec<Member>> {
    let packages = metadata["packages"]
        .as_array()
        .context("metadata has no packages")?;
    packages.iter().map(member).collect()
}

fn member(package: &Value) -> Result<Member> {
    let name = text(package, "name")?;
    let dependencies = package["dependencies"]
        .as_array()
        .with_context(|| format!("{name} has no dependencies array"))?
        .iter()
        .map(|dependency| {
            let features = dependency["features"].as_array().into_iter().flatten();
            Ok(Dependency {
                name: text(dependency, "name")?,
                dev: dependency["kind"].as_str() == Some("dev"),
                features: features
                    .filter_map(|f| f.as_str().map(str::to_owned))
                    .collect(),
            })
        })
        .collect::<Result<_>>()?;
    Ok(Member { name, dependencies })
}

fn text(value: &Value, field: &str) -> Result<String> {
    let text = value[field]
        .as_str()
        .with_context(|| format!("metadata lacks a {field}"))?;
    Ok(text.to_owned())
}

fn check(graph: &[Member]) -> Vec<Fault> {
    let absent = LAYERS
        .iter()
        .filter(|layer| graph.iter().all(|member| member.name != layer.name))
        .map(|layer| {
            Fault::new(
                "Cargo.toml",
                format!("the layer {} has no crate", layer.name),
            )
        });
    absent.chain(graph.iter().flat_map(member_faults)).collect()
}

fn member_faults(member: &Member) -> Vec<Fault> {
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == member.name) else {
        let what = format!(
            "{} is in no layer: add it to xtask/src/layers.rs",
            member.name
        );
        return vec![Fault::new("Cargo.toml", what)];
    };
    let faults = member.dependencies.iter().filter_map(|dependency| {
        let what = refusal(layer, dependency)?;
        Some(Fault::new("Cargo.toml", format!("{} {what}", layer.name)))
    });
    faults.collect()
}

/// Why the layer may not have this dependency.
fn refusal(layer: &Layer, dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    // A crate that names itself in its tests switches a feature of its own on.
    let in_tests = layer.tests_may_use.contains(&name) || name == layer.name;
    let allowed = layer.may_use.contains(&name) || (dependency.dev && in_tests);
    if members().any(|member| member == name) && !allowed {
        let kind = if dependency.dev {
            "even in its tests"
        } else {
            "by the layer's rule"
        };
        return Some(format!("may not depend on {name} ({kind})"));
    }
    if !layer.pure || dependency.dev {
        return None;
    }
    if IMPURE.iter().any(|pattern| matches(pattern, name)) {
        return Some(format!("is pure and may not depend on {name}"));
    }
    let feature = dependency
        .features
        .iter()
        .find(|f| IMPURE_TOKIO.contains(&f.as_str()))?;
    (name == "tokio").then(|| format!("is pure and may not use tokio's feature {feature:?}"))
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |prefix| name.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The workspace as the table wants it, with one dependency added to one member.
    fn planted(member: &str, kind: Value, name: &str, features: &[&str]) -> Vec<String> {
        let packages: Vec<_> = LAYERS
            .iter()
            .map(|layer| {
                let mut dependencies: Vec<_> = layer.may_use.iter().map(|d| entry(d)).collect();
                if layer.name == member {
                    dependencies.push(json!({"name": name, "kind": kind, "features": features}));
                }
                json!({"name": layer.name, "dependencies": dependencies})
            })
            .collect();
        let graph = parse(&json!({"packages": packages})).expect("well-formed metadata");
        check(&graph).iter().map(ToString::to_string).collect()
    }

    fn entry(name: &str) -> Value {
        json!({"name": name, "kind": null, "features": []})
    }

    fn refused(member: &str, kind: Value, name: &str, features: &[&str]) {
        let faults = planted(member, kind, name, features);
        assert_eq!(faults.len(), 1, "{member} → {name}: {faults:?}");
        assert!(
            faults[0].contains(member) && faults[0].contains(name),
            "{faults:?}"
        );
    }

    fn accepted(member: &str, kind: Value, name: &str, features: &[&str]) {
        assert_eq!(
            planted(member, kind, name, features),
            [""; 0],
            "{member} → {name}"
        );
    }

    #[test]
    fn the_workspace_keeps_its_layers() {
        let faults = faults(&Workspace::locate()).expect("cargo metadata works");
        assert_eq!(faults, [], "see ARCHITECTURE.md for the direction");
    }

    #[test]
    fn an_upward_edge_is_refused_in_every_kind_of_dependency() {
        for kind in [json!(null), json!("dev"), json!("build")] {
            refused(DOMAIN, kind.clone(), APPLICATION, &[]);
            refused(APPLICATION, kind.clone(), INFRASTRUCTURE, &[]);
            refused(INFRASTRUCTURE, kind.clone(), SERVICE, &[]);
            refused(INFRASTRUCTURE, kind.clone(), STRATEGIES, &[]);
            refused("xtask", kind, SERVICE, &[]);
        }
    }

    #[test]
    fn only_the_tests_of_the_use_cases_know_the_strategies() {
        accepted(APPLICATION, json!("dev"), STRATEGIES, &[]);
        refused(APPLICATION, json!(null), STRATEGIES, &[]);
        refused(APPLICATION, json!("build"), STRATEGIES, &[]);
    }

    #[test]
    fn a_crate_may_name_itself_in_its_tests_only() {
        accepted(INFRASTRUCTURE, json!("dev"), INFRASTRUCTURE, &["testing"]);
        refused(INFRASTRUCTURE, json!("build"), INFRASTRUCTURE, &[]);
    }

    #[test]
    fn the_pure_layers_know_no_client_server_or_metrics_library() {
        for pure in [DOMAIN, STRATEGIES, APPLICATION] {
            for name in [
                "fred",
                "prometheus",
                "opentelemetry_sdk",
                "axum",
                "hyper-util",
                "redb",
            ] {
                refused(pure, json!(null), name, &[]);
            }
            accepted(pure, json!("dev"), "tracing-subscriber", &[]);
            accepted(pure, json!(null), "hashbrown", &["fs"]);
        }
        accepted(INFRASTRUCTURE, json!(null), "fred", &[]);
    }

    #[test]
    fn the_pure_layers_may_use_only_the_part_of_tokio_that_stays_inside_the_process() {
        accepted(APPLICATION, json!(null), "tokio", &["sync"]);
        accepted(APPLICATION, json!("dev"), "tokio", &["full"]);
        for feature in ["net", "fs", "full"] {
            refused(APPLICATION, json!(null), "tokio", &["sync", feature]);
            refused(DOMAIN, json!("build"), "tokio", &[feature]);
        }
        accepted(SERVICE, json!(null), "tokio", &["full"]);
    }

    #[test]
    fn a_new_crate_must_be_given_a_layer_and_a_layer_must_have_a_crate() {
        let stray = parse(&json!({"packages": [{"name": "stray", "dependencies": []}]}));
        let faults = check(&stray.expect("well-formed"));
        assert_eq!(faults.len(), 1 + LAYERS.len(), "{faults:?}");
        assert!(
            faults
                .iter()
                .any(|fault| fault.to_string().contains("stray is in no layer"))
        );
    }

    #[test]
    fn metadata_of_another_shape_is_an_error_and_no_clean_bill() {
        for broken in [json!({}), json!({"packages": [{"name": "x"}]})] {
            assert!(parse(&broken).is_err(), "{broken}");
        }
    }
}
