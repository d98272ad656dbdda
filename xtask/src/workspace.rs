//! Where the workspace is, and what git and cargo say about it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command;

/// The checkout that the task works on.
pub(crate) struct Workspace {
    root: PathBuf,
}

/// A text file that git tracks.
pub(crate) struct Source {
    /// Relative to the root, with `/` between its parts.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

/// The files that git tracks.
pub(crate) struct Tracked {
    /// Every path, relative to the root.
    pub(crate) paths: Vec<String>,
    /// Those whose content is UTF-8.
    pub(crate) sources: Vec<Source>,
}

impl Workspace {
    /// The folder above this package: cargo tells a running task where that is.
    pub(crate) fn locate() -> Self {
        let manifest = std::env::var("CARGO_MANIFEST_DIR")
            .unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let root = Path::new(&manifest)
            .parent()
            .expect("xtask lies in a folder of the workspace");
        Self {
            root: root.to_owned(),
        }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// A path that a user gave: absolute, or relative to the root.
    pub(crate) fn path_of(&self, given: &Path) -> PathBuf {
        self.root.join(given)
    }

    /// Where cargo builds.
    pub(crate) fn target(&self) -> PathBuf {
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| self.path("target"), PathBuf::from)
    }

    /// `program arguments…`, to be run at the root.
    pub(crate) fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(&self.root);
        command
    }

    /// `cargo arguments…` at the root, with the cargo that runs this task.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        self.command(&cargo, arguments)
    }

    /// What the manifests of the members declare. Needs neither network nor a build.
    pub(crate) fn metadata(&self) -> Result<serde_json::Value> {
        let mut cargo = self.cargo(&[
            "metadata",
            "--format-version",
            "1",
            "--no-deps",
            "--offline",
        ]);
        let output = command::captured(&mut cargo)?;
        serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")
    }

    /// What `git ls-files` lists and the working tree still has.
    pub(crate) fn tracked(&self) -> Result<Tracked> {
        // The setting lets a CI user list a checkout that belongs to somebody else.
        let mut git = self.command("git", &["-c", "safe.directory=*", "ls-files", "-z"]);
        let output = command::captured(&mut git)?;
        let listed = String::from_utf8(output.stdout).context("a tracked path is not UTF-8")?;
        let mut tracked = Tracked {
            paths: Vec::new(),
            sources: Vec::new(),
        };
        for path in listed.split('\0').filter(|path| self.path(path).is_file()) {
            let bytes =
                std::fs::read(self.path(path)).with_context(|| format!("reading {path}"))?;
            tracked.paths.push(path.to_owned());
            if let Ok(text) = String::from_utf8(bytes) {
                tracked.sources.push(Source {
                    path: path.to_owned(),
                    text,
                });
            }
        }
        Ok(tracked)
    }
}
