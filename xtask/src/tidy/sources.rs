//! Rules about Rust files.

use super::Fault;
use crate::workspace::Source;

const MOST_LINES: usize = 500;
const FORBID: &str = "#![forbid(unsafe_code)]";
/// The crates whose code takes time and data as arguments.
const PURE: [&str; 3] = [
    "crates/domain/src/",
    "crates/strategies/src/",
    "crates/application/src/",
];
/// What their code may not name, tests included: the standard library's ways out.
const WAYS_OUT: [&str; 4] = ["std::fs", "std::net", "std::process", "std::env"];

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let path = source.path.as_str();
    if !path.ends_with(".rs") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let lines = source.text.lines().count();
    if lines > MOST_LINES {
        faults.push(Fault::new(
            path,
            format!("{lines} lines, at most {MOST_LINES}: two rooms?"),
        ));
    }
    if path.ends_with("/mod.rs") {
        faults.push(Fault::new(
            path,
            "name the file after the module, beside its folder",
        ));
    }
    if path.ends_with("/src/lib.rs") && !source.text.lines().any(|line| line.trim() == FORBID) {
        faults.push(Fault::new(path, format!("lacks {FORBID}")));
    }
    if PURE.iter().any(|folder| path.starts_with(folder)) {
        for (index, line) in source.text.lines().enumerate() {
            for way in WAYS_OUT.iter().filter(|way| line.contains(*way)) {
                faults.push(Fault::at(path, index + 1, format!("{way} in a pure layer")));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(path: &str, text: &str) -> Vec<String> {
        let source = Source {
            path: path.to_owned(),
            text: text.to_owned(),
        };
        check(&source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_file_has_500_lines_at_most() {
        assert_eq!(faults("xtask/src/a.rs", &"x\n".repeat(500)), [""; 0]);
        assert_eq!(faults("xtask/src/a.rs", &"x\n".repeat(501)).len(), 1);
        assert_eq!(faults("docs/long.md", &"x\n".repeat(501)), [""; 0]);
    }

    #[test]
    fn a_library_forbids_unsafe_code_itself() {
        let lib = "crates/domain/src/lib.rs";
        assert_eq!(
            faults(lib, "//! Doc.\n\n#![forbid(unsafe_code)]\n"),
            [""; 0]
        );
        assert_eq!(faults(lib, "//! Doc.\n#![deny(unsafe_code)]\n").len(), 1);
        assert_eq!(faults(lib, "// #![forbid(unsafe_code)]\n").len(), 1);
        assert_eq!(faults("crates/domain/src/pair.rs", ""), [""; 0]);
    }

    #[test]
    fn a_module_is_a_file_of_its_own_name() {
        assert_eq!(faults("crates/service/src/http/mod.rs", "").len(), 1);
        assert_eq!(faults("crates/service/src/http.rs", ""), [""; 0]);
    }

    #[test]
    fn the_pure_layers_name_no_way_out() {
        for way in WAYS_OUT {
            let text = format!("use {way}::Thing;\n");
            assert_eq!(faults("crates/domain/src/pair.rs", &text).len(), 1, "{way}");
            assert_eq!(
                faults("crates/application/src/engine.rs", &text).len(),
                1,
                "{way}"
            );
            assert_eq!(faults("crates/infrastructure/src/trace.rs", &text), [""; 0]);
            assert_eq!(faults("crates/application/tests/replay.rs", &text), [""; 0]);
        }
    }
}
