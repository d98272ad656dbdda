//! Images: pinned, rootless, with a check of their health.

use std::collections::HashMap;

use crate::tidy::Fault;
use crate::workspace::Source;

/// Why an image's name is not good enough.
fn unpinned(image: &str) -> Option<&'static str> {
    if image.contains('@') {
        return None;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    match name.split_once(':') {
        None => Some("has no tag: it would be another image tomorrow"),
        Some((_, "latest")) => Some("is `latest`: it would be another image tomorrow"),
        Some(_) => None,
    }
}

/// A Dockerfile's stages name pinned images, and the last one runs as a user other than root.
pub(super) fn dockerfile(source: &Source) -> Vec<Fault> {
    let fault = |what: &str| Fault::new(&source.path, what);
    let mut faults = Vec::new();
    let mut arguments = HashMap::new();
    let mut stages: Vec<&str> = Vec::new();
    let mut last_stage: Vec<(&str, &str)> = Vec::new();
    for line in source.text.lines() {
        let Some((word, rest)) = line.split_once(' ') else {
            continue;
        };
        match word {
            "ARG" => drop(
                rest.split_once('=')
                    .map(|(name, value)| arguments.insert(name, value)),
            ),
            "FROM" => {
                let mut words = rest.split_whitespace();
                let named = words.next().unwrap_or_default();
                let inner = named
                    .strip_prefix("${")
                    .and_then(|name| name.strip_suffix('}'));
                let image =
                    inner.map_or(named, |name| arguments.get(name).copied().unwrap_or(named));
                if let Some(why) = unpinned(image)
                    && !stages.contains(&image)
                {
                    faults.push(fault(&format!("{image} {why}")));
                }
                stages.extend(words.nth(1));
                last_stage.clear();
            }
            _ => {}
        }
        last_stage.push((word, rest));
    }
    let user = last_stage.iter().rfind(|(word, _)| *word == "USER");
    match user.map(|(_, user)| user.split(':').next().unwrap_or_default()) {
        Some(user) if user.parse::<u32>().is_ok_and(|id| id > 0) => {}
        other => faults.push(fault(&format!(
            "runs as {:?}: name a user other than root by its number",
            other.unwrap_or("root")
        ))),
    }
    for wanted in ["HEALTHCHECK", "ENTRYPOINT"] {
        if !last_stage.iter().any(|(word, _)| *word == wanted) {
            faults.push(fault(&format!("lacks {wanted}")));
        }
    }
    if source.text.contains("cargo build") && !source.text.contains("cargo build --locked") {
        faults.push(fault("builds without --locked"));
    }
    faults
}

/// A compose file names pinned images and gives no container the machine.
pub(super) fn compose(source: &Source) -> Vec<Fault> {
    let document = match super::yaml(&source.text) {
        Ok(document) => document,
        Err(why) => return vec![Fault::new(&source.path, why)],
    };
    let mut faults = Vec::new();
    let Some(services) = document["services"].as_object() else {
        return vec![Fault::new(&source.path, "has no services")];
    };
    for (name, service) in services {
        let image = service["image"].as_str().unwrap_or_default();
        if let Some(why) = unpinned(image) {
            faults.push(Fault::new(&source.path, format!("{name}: {image:?} {why}")));
        }
        if service["privileged"] == true {
            faults.push(Fault::new(&source.path, format!("{name} is privileged")));
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "ARG RUNTIME=example.org/base:1\nFROM rust:1.95.0 AS build\nRUN cargo build --locked\n\
                        FROM ${RUNTIME}\nUSER 65532:65532\nHEALTHCHECK CMD [\"x\"]\nENTRYPOINT [\"x\"]\n";

    fn faults(text: &str) -> usize {
        dockerfile(&Source {
            path: "deploy/Dockerfile".to_owned(),
            text: text.to_owned(),
        })
        .len()
    }

    #[test]
    fn a_pinned_rootless_image_with_a_health_check_passes() {
        assert_eq!(faults(GOOD), 0);
    }

    #[test]
    fn each_way_to_be_careless_is_one_fault() {
        let changes = [
            ("rust:1.95.0", "rust"),
            ("rust:1.95.0", "rust:latest"),
            ("base:1", "base"),
            ("USER 65532:65532\n", ""),
            ("USER 65532:65532", "USER 0"),
            ("USER 65532:65532", "USER root"),
            ("HEALTHCHECK", "LABEL"),
            ("--locked", ""),
        ];
        for (from, to) in changes {
            assert_eq!(faults(&GOOD.replacen(from, to, 1)), 1, "{from} -> {to:?}");
        }
        let user_before = "FROM a:1\nUSER 5\nFROM b:1\nHEALTHCHECK x\nENTRYPOINT x\n";
        assert_eq!(
            faults(user_before),
            1,
            "the first stage's user is not the last one's"
        );
    }

    #[test]
    fn compose_files_are_pinned_and_unprivileged() {
        let check = |text: &str| {
            compose(&Source {
                path: "deploy/docker-compose.yml".to_owned(),
                text: text.to_owned(),
            })
            .len()
        };
        assert_eq!(check("services: {a: {image: \"x:1\"}}"), 0);
        assert_eq!(check("services: {a: {image: x}}"), 1);
        assert_eq!(
            check("services: {a: {image: \"x:1\", privileged: true}}"),
            1
        );
        assert_eq!(check("services: ["), 1);
        assert_eq!(check("volumes: {}"), 1);
    }
}
