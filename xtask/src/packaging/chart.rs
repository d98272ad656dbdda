//! The Helm chart, without Helm: templates that are YAML once their actions are taken out, values that
//! exist and are used, names that are defined, a pod that is confined.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tidy::Fault;
use crate::workspace::{Source, Tracked};

const CHART: &str = "deploy/helm/forewarm/";

pub(super) fn check(tracked: &Tracked) -> Vec<Fault> {
    let files = tracked
        .sources
        .iter()
        .filter(|one| one.path.starts_with(CHART));
    let files: Vec<&Source> = files.collect();
    let Some(values) = files.iter().find(|one| one.path.ends_with("/values.yaml")) else {
        return Vec::new();
    };
    let known = match super::yaml(&values.text) {
        Ok(known) => known,
        Err(why) => return vec![Fault::new(&values.path, why)],
    };
    let templates = files.iter().filter(|one| one.path.contains("/templates/"));
    let templates: Vec<&Source> = templates.copied().collect();
    let mut faults = Vec::new();
    let mut used = BTreeSet::new();
    for template in &templates {
        faults.extend(references(template, &known, &mut used));
        faults.extend(names(template, &templates));
        faults.extend(structure(template));
    }
    let mut leaves = Vec::new();
    collect(&known, String::new(), &mut leaves);
    let unused = leaves.iter().filter(|leaf| {
        let covers = |path: &String| *leaf == path || leaf.starts_with(&format!("{path}."));
        !used.iter().any(covers)
    });
    faults.extend(
        unused.map(|leaf| Fault::new(&values.path, format!("{leaf} is used by no template"))),
    );
    faults
}

/// `.Values.a.b` of the template that values.yaml does not have.
fn references(template: &Source, known: &Value, used: &mut BTreeSet<String>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in template.text.lines().enumerate() {
        for rest in line.split(".Values.").skip(1) {
            let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '.' || c == '_'));
            let path = rest[..end.unwrap_or(rest.len())].trim_end_matches('.');
            let found = path.split('.').try_fold(known, |at, part| at.get(part));
            if found.is_none() {
                let what = format!("values.yaml has no {path}");
                faults.push(Fault::at(&template.path, index + 1, what));
            }
            used.insert(path.to_owned());
        }
    }
    faults
}

/// `include "x"` of what nobody defines.
fn names(template: &Source, templates: &[&Source]) -> Vec<Fault> {
    let quoted = |rest: &str| rest.split('"').nth(1).map(str::to_owned);
    let defined: BTreeSet<String> = templates
        .iter()
        .flat_map(|one| one.text.split("define ").skip(1).filter_map(quoted))
        .collect();
    let included = template.text.split("include ").skip(1).filter_map(quoted);
    included
        .filter(|name| !defined.contains(name))
        .map(|name| Fault::new(&template.path, format!("nobody defines {name:?}")))
        .collect()
}

/// Blocks that end, YAML in between, and what Kubernetes needs of every object.
fn structure(template: &Source) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut open = 0_i32;
    for action in template.text.split("{{").skip(1) {
        let action = action.trim_start_matches('-').trim_start();
        let word = action.split_whitespace().next().unwrap_or_default();
        open += match word {
            "if" | "with" | "range" | "define" => 1,
            "end" => -1,
            _ => 0,
        };
    }
    if open != 0 {
        faults.push(Fault::new(
            &template.path,
            format!("{open} blocks are not ended"),
        ));
    }
    if !template.path.ends_with(".yaml") {
        return faults;
    }
    let object = match super::yaml(&without_actions(&template.text)) {
        Ok(object) => object,
        Err(why) => {
            faults.push(Fault::new(&template.path, why));
            return faults;
        }
    };
    for wanted in ["/apiVersion", "/kind", "/metadata/name"] {
        if object.pointer(wanted).is_none_or(Value::is_null) {
            faults.push(Fault::new(&template.path, format!("has no {wanted}")));
        }
    }
    if object["kind"] == "Deployment" {
        faults.extend(
            confined(&object)
                .into_iter()
                .map(|what| Fault::new(&template.path, what)),
        );
    }
    faults
}

/// Lines that are nothing but an action go; an action inside a line stands for a word.
fn without_actions(text: &str) -> String {
    let mut plain = String::new();
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with("{{")
            && trimmed.ends_with("}}")
            && trimmed.matches("{{").count() == 1
        {
            continue;
        }
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("{{") {
            plain.push_str(before);
            plain.push('x');
            rest = after.split_once("}}").map_or("", |(_, after)| after);
        }
        plain.push_str(rest);
        plain.push('\n');
    }
    plain
}

/// What the pod of a deployment lacks.
fn confined(deployment: &Value) -> Vec<String> {
    let pod = "/spec/template/spec";
    let container = "/spec/template/spec/containers/0";
    let wanted = [
        (pod, "automountServiceAccountToken", Value::Bool(false)),
        (pod, "securityContext/runAsNonRoot", Value::Bool(true)),
        (
            pod,
            "securityContext/seccompProfile/type",
            "RuntimeDefault".into(),
        ),
        (
            container,
            "securityContext/allowPrivilegeEscalation",
            Value::Bool(false),
        ),
        (
            container,
            "securityContext/readOnlyRootFilesystem",
            Value::Bool(true),
        ),
        (
            container,
            "securityContext/capabilities/drop/0",
            "ALL".into(),
        ),
        (container, "startupProbe/httpGet/path", "/startupz".into()),
        (container, "readinessProbe/httpGet/path", "/readyz".into()),
        (container, "livenessProbe/httpGet/path", "/healthz".into()),
    ];
    let at = |at: &str, path: &str| deployment.pointer(&format!("{at}/{path}"));
    let lacks = wanted
        .into_iter()
        .filter(|(place, path, value)| at(place, path) != Some(value))
        .map(|(_, path, value)| format!("{path} is not {value}"));
    // With TLS on the HTTP port a probe without a scheme never succeeds.
    let plain = ["startupProbe", "readinessProbe", "livenessProbe"]
        .into_iter()
        .filter(|probe| at(container, &format!("{probe}/httpGet/scheme")).is_none())
        .map(|probe| format!("{probe}/httpGet has no scheme"));
    lacks.chain(plain).collect()
}

fn collect(value: &Value, path: String, leaves: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, inner) in fields {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                collect(inner, path, leaves);
            }
        }
        _ => leaves.push(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Workspace;

    fn faults(changes: &[(&str, &str, &str)]) -> Vec<String> {
        let mut tracked = Workspace::locate().tracked().expect("git lists the files");
        for (file, from, to) in changes {
            let wanted = format!("{CHART}{file}");
            let source = tracked.sources.iter_mut().find(|one| one.path == wanted);
            let source = source.unwrap_or_else(|| panic!("{wanted} is tracked"));
            assert!(source.text.contains(from), "{file} has no {from:?}");
            source.text = source.text.replacen(from, to, 1);
        }
        check(&tracked).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_chart_as_it_is_has_no_fault() {
        assert_eq!(faults(&[]), [""; 0]);
    }

    #[test]
    fn each_planted_mistake_is_found() {
        let deployment = "templates/deployment.yaml";
        for (file, from, to, said) in [
            (
                deployment,
                ".Values.replicas",
                ".Values.replica",
                "no replica",
            ),
            (deployment, "{{- end }}", "", "not ended"),
            (deployment, "          args:", "   args:", "no YAML"),
            (
                deployment,
                "readOnlyRootFilesystem: true",
                "readOnlyRootFilesystem: false",
                "readOnlyRootFilesystem",
            ),
            (
                deployment,
                "path: /readyz",
                "path: /ready",
                "readinessProbe",
            ),
            (
                deployment,
                "scheme: {{ include \"forewarm.scheme\" . }}",
                "",
                "startupProbe/httpGet has no scheme",
            ),
            (
                deployment,
                "include \"forewarm.image\"",
                "include \"forewarm.img\"",
                "forewarm.img",
            ),
            (
                "values.yaml",
                "replicas: 1",
                "replicas: 1\nspare: 2",
                "spare is used by no template",
            ),
            (
                "templates/service.yaml",
                "kind: Service",
                "sort: Service",
                "/kind",
            ),
        ] {
            let found = faults(&[(file, from, to)]);
            assert!(
                found.iter().any(|fault| fault.contains(said)),
                "{from} -> {to}: {found:?}"
            );
        }
    }
}
