//! `cargo xtask generated`: files that a program writes are what it would write today.

use anyhow::{Context, Result, bail};

use crate::command::{captured, shown};
use crate::workspace::Workspace;

/// A checked-in file and the arguments with which cargo prints it.
struct Generated {
    path: &'static str,
    cargo: &'static [&'static str],
}

/// Add a line here for each file that a program writes.
const FILES: &[Generated] = &[];

/// Compares each file with its generator's output.
pub(crate) fn run(workspace: &Workspace) -> Result<()> {
    for file in FILES {
        let mut generator = workspace.cargo(file.cargo);
        let output = captured(&mut generator)?;
        let wanted = String::from_utf8(output.stdout)
            .with_context(|| format!("`{}` printed no UTF-8", shown(&generator)))?;
        let found = std::fs::read_to_string(workspace.path(file.path)).unwrap_or_default();
        if let Some(difference) = difference(&found, &wanted) {
            bail!(
                "{} is out of date: {difference}\nrun: {} > {0}",
                file.path,
                shown(&generator)
            );
        }
        println!("{} is current", file.path);
    }
    println!("{} generated files are current", FILES.len());
    Ok(())
}

/// The first line that differs, if any.
fn difference(found: &str, wanted: &str) -> Option<String> {
    if found == wanted {
        return None;
    }
    let (mut found, mut wanted) = (found.split('\n'), wanted.split('\n'));
    for line in 1_usize.. {
        match (found.next(), wanted.next()) {
            (None, None) => break,
            (old, new) if old == new => {}
            (old, new) => {
                let [old, new] = [old, new].map(|text| text.unwrap_or("(the end)"));
                return Some(format!(
                    "line {line}\n  file:      {old}\n  generated: {new}"
                ));
            }
        }
    }
    unreachable!("texts that differ have a line that differs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_names_the_first_line_that_differs() {
        let text = difference("a\nb\nc\n", "a\nB\nC\n").expect("they differ");
        assert_eq!(text, "line 2\n  file:      b\n  generated: B");
    }

    #[test]
    fn a_missing_file_a_shorter_one_and_a_missing_last_newline_differ() {
        for found in ["", "a\n", "a\nb"] {
            assert!(difference(found, "a\nb\n").is_some(), "{found:?}");
        }
        assert_eq!(difference("a\nb\n", "a\nb\n"), None);
    }
}
