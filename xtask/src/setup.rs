//! `cargo xtask setup`: the distribution packages that the tests need.

use std::process::Command;

use anyhow::{Result, bail};

use crate::command::{captured, on_path, run as run_command, succeeds};

/// A package of the distribution, known by a program that it brings.
#[derive(Debug, Clone, Copy)]
struct Package {
    name: &'static str,
    program: &'static str,
    reason: &'static str,
}

const NEEDED: [Package; 7] = [
    Package {
        name: "redis-server",
        program: "redis-server",
        reason: "real L2 in tests",
    },
    Package {
        name: "redis-tools",
        program: "redis-cli",
        reason: "a client of others' making",
    },
    Package {
        name: "prometheus",
        program: "promtool",
        reason: "tests of the alert rules",
    },
    Package {
        name: "prometheus-alertmanager",
        program: "amtool",
        reason: "tests of the alerts' routes",
    },
    Package {
        name: "valgrind",
        program: "valgrind",
        reason: "instructions per event",
    },
    Package {
        name: "chromium",
        program: "chromium",
        reason: "the dashboard's picture",
    },
    Package {
        name: "curl",
        program: "curl",
        reason: "the commands of the docs, as they are written",
    },
];

const INSTALL: &str = include_str!("setup/install.sh");
/// What `invoke-rc.d` asks whether a package may start its daemon; 101 means no.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// What this user may do about missing packages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Power {
    Root,
    Sudo,
    None,
}

/// Installs what is missing where it may; otherwise an error with the command to run.
pub(crate) fn run() -> Result<()> {
    let missing = missing(|program| on_path(program).is_some());
    if missing.is_empty() {
        println!("every package that the tests need is installed");
        return Ok(());
    }
    for package in &missing {
        println!("missing: {} ({})", package.name, package.reason);
    }
    let Some(mut install) = install(&missing, power()) else {
        bail!(request(&missing))
    };
    run_command(&mut install)?;
    let still = self::missing(|program| on_path(program).is_some());
    if !still.is_empty() {
        bail!(
            "installed, but not on the PATH: {}",
            names(&still).join(", ")
        );
    }
    Ok(())
}

fn missing(installed: impl Fn(&str) -> bool) -> Vec<Package> {
    NEEDED
        .into_iter()
        .filter(|package| !installed(package.program))
        .collect()
}

fn power() -> Power {
    let is_root =
        || captured(Command::new("id").arg("-u")).is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if on_path("apt-get").is_none() {
        Power::None
    } else if is_root() {
        Power::Root
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        Power::Sudo
    } else {
        Power::None
    }
}

fn install(packages: &[Package], power: Power) -> Option<Command> {
    let mut command = match power {
        Power::Root => Command::new("sh"),
        Power::Sudo => {
            let mut sudo = Command::new("sudo");
            sudo.args(["-n", "sh"]);
            sudo
        }
        Power::None => return None,
    };
    command
        .args(["-c", INSTALL, "setup", POLICY])
        .args(names(packages));
    Some(command)
}

fn request(packages: &[Package]) -> String {
    let names = names(packages).join(" ");
    format!(
        "this user may not install packages here (neither root nor `sudo -n`, or no apt-get); \
         run: sudo apt-get update && sudo apt-get install -y --no-install-recommends {names}"
    )
}

fn names(packages: &[Package]) -> Vec<&'static str> {
    packages.iter().map(|package| package.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::shown;
    use std::fs;
    use std::path::PathBuf;

    /// A folder with a fake `apt-get` that logs its calls and whether daemons were held back.
    struct Machine {
        folder: tempfile::TempDir,
    }

    impl Machine {
        /// `body` runs after each call is logged; `$1` is the verb.
        fn new(body: &str) -> Self {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let machine = Self { folder };
            let script = format!(
                "#!/bin/sh\nheld=no\n[ -x '{0}' ] && {{ '{0}'; [ $? = 101 ] && held=yes; }}\n\
                 echo \"$* held=$held\" >>'{1}'\n{body}\n",
                machine.policy().display(),
                machine.path("log").display(),
            );
            // Written by a child: a program that this process has open can't be run meanwhile.
            let mut sh = Command::new("sh");
            sh.args([
                "-c",
                "printf %s \"$1\" >\"$2\" && chmod 755 \"$2\"",
                "sh",
                &script,
            ]);
            run_command(sh.arg(machine.path("apt-get"))).expect("the fake is written");
            machine
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn policy(&self) -> PathBuf {
            self.path("policy-rc.d")
        }

        fn install(&self) -> bool {
            let path = format!("{}:/usr/bin:/bin", self.folder.path().display());
            let mut sh = Command::new("sh");
            sh.args(["-c", INSTALL, "setup"])
                .arg(self.policy())
                .args(["one", "two"]);
            succeeds(sh.env("PATH", path))
        }

        fn log(&self) -> String {
            fs::read_to_string(self.path("log")).expect("apt-get was called")
        }
    }

    const TRY: &str = "install -y -q --no-install-recommends one two held=yes\n";
    const UPDATE: &str = "update -q held=yes\n";

    #[test]
    fn daemons_are_held_back_while_installing_and_free_afterwards() {
        let machine = Machine::new("exit 0");
        assert!(machine.install());
        assert_eq!(machine.log(), TRY);
        assert!(
            !machine.policy().exists(),
            "the policy outlived the installation"
        );
    }

    #[test]
    fn the_package_lists_are_fetched_when_the_first_try_fails() {
        let machine = Machine::new("[ $1 = update ] || [ $(wc -l <\"${0%/*}/log\") = 3 ]");
        assert!(machine.install());
        assert_eq!(machine.log(), format!("{TRY}{UPDATE}{TRY}"));
    }

    #[test]
    fn a_failed_installation_is_reported_and_leaves_no_policy_behind() {
        let machine = Machine::new("exit 100");
        assert!(!machine.install());
        assert!(
            !machine.policy().exists(),
            "the policy outlived the installation"
        );
    }

    #[test]
    fn a_policy_of_the_machine_itself_is_left_alone() {
        let machine = Machine::new("exit 0");
        fs::write(machine.policy(), "theirs").expect("written");
        assert!(machine.install());
        assert_eq!(
            fs::read_to_string(machine.policy()).expect("still there"),
            "theirs"
        );
    }

    #[test]
    fn only_what_is_missing_is_installed() {
        let missing = missing(|program| program != "redis-cli");
        assert_eq!(names(&missing), ["redis-tools"]);
        let root = install(&missing, Power::Root).map(|command| shown(&command));
        assert!(root.is_some_and(|line| {
            line.starts_with("sh -c") && line.ends_with("setup /usr/sbin/policy-rc.d redis-tools")
        }));
        let sudo = install(&missing, Power::Sudo).map(|command| shown(&command));
        assert!(sudo.is_some_and(|line| line.starts_with("sudo -n sh -c")));
    }

    #[test]
    fn without_the_right_the_packages_and_the_command_are_named() {
        let missing = missing(|program| !program.starts_with("redis"));
        assert!(install(&missing, Power::None).is_none());
        let text = request(&missing);
        let command = "apt-get install -y --no-install-recommends redis-server redis-tools";
        assert!(text.ends_with(command), "{text}");
    }
}
