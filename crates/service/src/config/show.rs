//! The effective configuration as TOML, each value with where it came from.

use std::fmt::Write;

use super::layers::Effective;
use super::section::Section;

/// The effective configuration as TOML with the origin of each value; secrets are masked.
pub fn show(effective: &Effective) -> String {
    let mut groups: Vec<(String, Vec<String>)> = Vec::new();
    effective.config.visit("", &mut |setting| {
        let (section, name) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
        let origin = effective.origin(&setting.key);
        let line = match &setting.value {
            Some(value) => format!("{name} = {value} # {origin}"),
            None => format!("# {name} is unset # {origin}"),
        };
        match groups.iter_mut().find(|(known, _)| known == section) {
            Some((_, lines)) => lines.push(line),
            None => groups.push((section.to_owned(), vec![line])),
        }
    });
    let mut out = String::new();
    for (section, lines) in groups {
        if !out.is_empty() {
            out.push('\n');
        }
        let element = section
            .split_once('[')
            .and_then(|(list, rest)| Some((list, rest.split_once(']')?.1)));
        let header = match element {
            Some((list, "")) => format!("[[{list}]]"),
            // A table inside the element above it.
            Some((list, inside)) => format!("[{list}{inside}]"),
            None => format!("[{section}]"),
        };
        let _ = writeln!(out, "{header}\n{}", lines.join("\n"));
    }
    out
}
