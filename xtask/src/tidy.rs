//! `cargo xtask tidy`: rules about the files themselves. Each is a pure function over what git
//! tracks; the same rules run as tests of this package.

mod links;
mod manifests;
mod sources;
mod words;

use std::fmt;

use anyhow::{Result, bail};

use crate::layers;
use crate::packaging;
use crate::workspace::{Tracked, Workspace};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    place: String,
    what: String,
}

impl Fault {
    pub(crate) fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }

    /// `line` counts from 1.
    pub(crate) fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), what)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Prints every fault; an error when there is one.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    let tracked = workspace.tracked()?;
    let mut faults = check(&tracked);
    faults.extend(layers::faults(workspace)?);
    for fault in &faults {
        println!("{fault}");
    }
    if !faults.is_empty() {
        bail!("{} faults in {} files", faults.len(), tracked.paths.len());
    }
    println!("{} files are tidy, the layers hold", tracked.paths.len());
    Ok(())
}

fn check(tracked: &Tracked) -> Vec<Fault> {
    let mut faults = Vec::new();
    for source in &tracked.sources {
        faults.extend(words::check(source));
        faults.extend(sources::check(source));
        faults.extend(manifests::check(source));
    }
    faults.extend(links::check(tracked));
    faults.extend(packaging::check(tracked));
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Source;

    #[test]
    fn the_repository_is_tidy() {
        let tracked = Workspace::locate().tracked().expect("git lists the files");
        assert!(
            tracked.paths.iter().any(|path| path == "Cargo.toml"),
            "git listed too little"
        );
        let faults: Vec<_> = check(&tracked).iter().map(ToString::to_string).collect();
        assert_eq!(faults, [""; 0]);
    }

    #[test]
    fn every_family_of_rules_is_applied() {
        let planted = [
            ("notes.md", format!("lies in {}work/x", "/")),
            ("crates/domain/src/lib.rs", "//! no attribute".to_owned()),
            ("crates/domain/Cargo.toml", "[package]".to_owned()),
            ("docs/a.md", "[gone](b.md)".to_owned()),
        ];
        for (path, text) in planted {
            let source = Source {
                path: path.to_owned(),
                text,
            };
            let tracked = Tracked {
                paths: vec![path.to_owned()],
                sources: vec![source],
            };
            assert_eq!(check(&tracked).len(), 1, "{path}");
        }
    }
}
