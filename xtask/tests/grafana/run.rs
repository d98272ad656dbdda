//! The task as a child process.

use std::process::Command;

use crate::stand_in::{PROMETHEUS, StandIn, TOKEN};

pub(crate) const PAGERDUTY: &str = "pd-secret-0123456789abcdef";
pub(crate) const SLACK: &str = "https://hooks.example.org/services/T0/B0/slack-secret";

/// What a run said, and how it ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    /// Fails the test unless the run went well.
    #[track_caller]
    pub(crate) fn succeeded(self) -> Self {
        assert_eq!(self.code, Some(0), "{}\n{}", self.out, self.err);
        self
    }

    /// Fails the test unless the run failed and said all of this.
    #[track_caller]
    pub(crate) fn failed_saying(self, parts: &[&str]) -> Self {
        assert_eq!(self.code, Some(1), "{}\n{}", self.out, self.err);
        for part in parts {
            assert!(
                self.err.contains(part),
                "{part:?} is missing in:\n{}",
                self.err
            );
        }
        self
    }

    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }
}

/// Runs `cargo xtask provision-grafana` in a folder of its own, with this environment and no
/// other settings of this machine.
pub(crate) fn provision(arguments: &[&str], environment: &[(&str, &str)]) -> Run {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command
        .arg("provision-grafana")
        .args(arguments)
        .current_dir(folder.path());
    for name in [
        "GRAFANA_URL",
        "GRAFANA_TOKEN",
        "GRAFANA_API_KEY",
        "PROMETHEUS_UID",
        "PAGERDUTY_SERVICE_KEY",
        "SLACK_WEBHOOK_URL",
    ] {
        command.env_remove(name);
    }
    let output = command
        .envs(environment.iter().copied())
        .output()
        .expect("it runs");
    Run {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

impl StandIn {
    /// A run against this server with everything set.
    pub(crate) fn provision(&self, arguments: &[&str]) -> Run {
        self.provision_with(
            arguments,
            &[
                ("PAGERDUTY_SERVICE_KEY", PAGERDUTY),
                ("SLACK_WEBHOOK_URL", SLACK),
            ],
        )
    }

    /// A run against this server with the token and the data source set, and these variables.
    pub(crate) fn provision_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Run {
        let mut environment = vec![
            ("GRAFANA_URL", self.url.as_str()),
            ("GRAFANA_TOKEN", TOKEN),
            ("PROMETHEUS_UID", PROMETHEUS),
        ];
        environment.extend(more);
        provision(arguments, &environment)
    }
}
