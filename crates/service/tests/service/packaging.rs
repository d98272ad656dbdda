//! What the packaging says to the binary is what the binary understands.

use std::collections::BTreeSet;
use std::path::Path;

use crate::process::command;
use crate::tls::Certificates;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../deploy")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A value that a setting of this name takes; of files the name.
fn sample(name: &str) -> &'static str {
    match name {
        "FOREWARM_L2__BACKEND" => "redis",
        "FOREWARM_L2__REDIS__URL" => "redis://127.0.0.1:6379",
        "FOREWARM_HTTP__ADDR" => "0.0.0.0:9464",
        "FOREWARM_RESP__ADDR" => "0.0.0.0:6380",
        "FOREWARM_TELEMETRY__LOG_FORMAT" => "json",
        "FOREWARM_MODEL__SNAPSHOT_PATH" => "model.snapshot",
        "FOREWARM_HTTP__TOKEN" | "FOREWARM_RESP__PASSWORD" | "FOREWARM_L2__REDIS__PASSWORD" => {
            "secret"
        }
        "FOREWARM_HTTP__TLS__CERT_FILE" | "FOREWARM_RESP__TLS__CERT_FILE" => "server.pem",
        "FOREWARM_HTTP__TLS__KEY_FILE" | "FOREWARM_RESP__TLS__KEY_FILE" => "server.key",
        "FOREWARM_RESP__TLS__CLIENT_CA_FILE" => "ca.pem",
        other => panic!("give {other} a sample here"),
    }
}

#[test]
fn the_settings_in_chart_and_compose_file_exist_and_let_it_listen_beyond_this_machine() {
    let certificates = Certificates::new();
    for name in [
        "helm/forewarm/templates/deployment.yaml",
        "docker-compose.stack.yml",
    ] {
        let text = file(name);
        let letters = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let words = text.split(|c| !letters(c));
        let settings: BTreeSet<&str> = words
            .filter(|word| word.starts_with("FOREWARM_") && word.contains("__"))
            .collect();
        assert!(settings.len() >= 4, "{name}: {settings:?}");
        let mut check = command(&["config", "check"]);
        for setting in &settings {
            let value = sample(setting);
            match setting.contains("__TLS__") {
                true => check.env(setting, certificates.path(value)),
                false => check.env(setting, value),
            };
        }
        let output = check.output().expect("the binary runs");
        assert!(
            output.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        if settings.contains("FOREWARM_HTTP__TOKEN") {
            let refused = check
                .env_remove("FOREWARM_HTTP__TOKEN")
                .output()
                .expect("it runs");
            assert_eq!(
                refused.status.code(),
                Some(64),
                "without its secret the pod must not start"
            );
        }
    }
}

#[test]
fn the_configuration_in_the_charts_values_and_those_of_the_three_phases_are_in_order() {
    let values = file("helm/forewarm/values.yaml");
    let (_, block) = values.split_once("\nconfig: |\n").expect("it has one");
    let lines = block.lines().map_while(|line| line.strip_prefix("  "));
    let config: String = lines.map(|line| format!("{line}\n")).collect();
    assert!(
        config.contains("[l2.redis]") && config.contains("mode = \"shadow\""),
        "{config}"
    );
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("forewarm.toml");
    std::fs::write(&path, config).expect("written");
    let check = |path: &Path| {
        let path = path.to_str().expect("UTF-8");
        let output = command(&["config", "check", "--config", path])
            .output()
            .expect("it runs");
        assert!(
            output.status.success(),
            "{path}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    check(&path);
    let phases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/config");
    for phase in ["shadow.toml", "conservative.toml", "adaptive.toml"] {
        check(&phases.join(phase));
    }
}
