//! Rules about Cargo's files.

use super::Fault;
use crate::workspace::Source;

/// The default registry's name in a lock file, in two pieces: no other is used.
const REGISTRY: [&str; 2] = ["registry+https://github.com/rust-lang/", "crates.io-index"];

pub(super) fn check(source: &Source) -> Vec<Fault> {
    match source.path.rsplit('/').next() {
        Some("Cargo.lock") => foreign_sources(source),
        Some("Cargo.toml") if source.path != "Cargo.toml" => own_lints(source),
        _ => Vec::new(),
    }
}

/// A dependency from another registry or from git can't be audited or mirrored.
fn foreign_sources(source: &Source) -> Vec<Fault> {
    let expected = format!("source = \"{}\"", REGISTRY.concat());
    let lines = source.text.lines().enumerate();
    let foreign = lines.filter(|(_, line)| line.starts_with("source = ") && *line != expected);
    foreign
        .map(|(index, line)| {
            Fault::at(&source.path, index + 1, format!("not the registry: {line}"))
        })
        .collect()
}

/// Lints are set once, for the workspace.
fn own_lints(source: &Source) -> Vec<Fault> {
    let mut lines = source
        .text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let inherits = lines.any(|line| line == "[lints]") && lines.next() == Some("workspace = true");
    let fault = || Fault::new(&source.path, "lacks [lints] workspace = true");
    if inherits { Vec::new() } else { vec![fault()] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> usize {
        check(&Source {
            path: path.to_owned(),
            text: text.to_owned(),
        })
        .len()
    }

    #[test]
    fn a_lock_file_knows_one_registry() {
        let standard = format!("source = \"{}\"\n", REGISTRY.concat());
        assert_eq!(faults("Cargo.lock", &standard), 0);
        assert_eq!(
            faults(
                "Cargo.lock",
                "source = \"sparse+https://mirror.example/index/\"\n"
            ),
            1
        );
        let git = "source = \"git+https://example.org/fork#0123\"\n";
        assert_eq!(faults("fuzz/Cargo.lock", &format!("{standard}{git}")), 1);
    }

    #[test]
    fn a_member_takes_its_lints_from_the_workspace() {
        let path = "crates/domain/Cargo.toml";
        assert_eq!(faults(path, "[package]\n\n[lints]\nworkspace = true\n"), 0);
        assert_eq!(
            faults(path, "[package]\n\n[lints.rust]\nunsafe_code = \"allow\"\n"),
            1
        );
        assert_eq!(faults(path, "[lints]\n[package]\nworkspace = true\n"), 1);
        assert_eq!(faults("Cargo.toml", "[workspace]\n"), 0);
    }
}
