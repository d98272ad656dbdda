//! The systemd unit: it may do nothing but serve.

use crate::tidy::Fault;
use crate::workspace::Source;

/// What every unit of ours says.
const WANTED: [&str; 18] = [
    "DynamicUser=yes",
    "NoNewPrivileges=yes",
    "CapabilityBoundingSet=",
    "ProtectSystem=strict",
    "ProtectHome=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectControlGroups=yes",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "Restart=on-failure",
    "UMask=0077",
];

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let lacks = |wanted: &&&str| !source.text.lines().any(|line| line == **wanted);
    let missing = WANTED.iter().filter(lacks);
    missing
        .map(|wanted| Fault::new(&source.path, format!("lacks {wanted}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::command::{captured, on_path};
    use crate::workspace::Workspace;

    #[test]
    fn a_unit_without_one_of_its_bounds_is_at_fault() {
        let check = |text: String| {
            let path = "deploy/systemd/forewarm.service".to_owned();
            check(&Source { path, text }).len()
        };
        assert_eq!(check(WANTED.join("\n")), 0);
        for wanted in WANTED {
            assert_eq!(check(WANTED.join("\n").replace(wanted, "#")), 1, "{wanted}");
        }
    }

    /// systemd's own opinion, where it is installed; its own check of the words is always made.
    #[test]
    fn systemd_understands_the_unit_and_finds_little_exposed() {
        if on_path("systemd-analyze").is_none() {
            eprintln!("SKIPPED, NOT CHECKED: systemd-analyze is not installed");
            return;
        }
        let unit = Workspace::locate().path("deploy/systemd/forewarm.service");
        let text = std::fs::read_to_string(unit).expect("it is there");
        let folder = tempfile::tempdir().expect("a folder");
        let copy = folder.path().join("forewarm.service");
        // The binary is not installed here.
        std::fs::write(&copy, text.replace("/usr/bin/forewarm", "/bin/true")).expect("written");
        let verify = captured(
            Command::new("systemd-analyze")
                .args(["verify", "--man=no"])
                .arg(&copy),
        );
        let said = String::from_utf8_lossy(&verify.expect("it is understood").stderr).into_owned();
        assert!(!said.contains("forewarm.service:"), "{said}");
        // In tenths: 2.0 of 10.
        let mut security = Command::new("systemd-analyze");
        security.args(["security", "--offline=true", "--threshold=20", "--no-pager"]);
        captured(security.arg(&copy)).expect("little is exposed");
    }
}
