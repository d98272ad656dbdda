//! Words that no tracked file may contain.

use super::Fault;
use crate::workspace::Source;

/// A forbidden word, in pieces so that this file may name it.
struct Word {
    pieces: [&'static str; 2],
    reason: &'static str,
    /// The files it is allowed in: those whose path ends so.
    except: Option<&'static str>,
    /// The files it is looked for in: those whose path ends in one of these; none means all.
    within: &'static [&'static str],
}

const fn word(pieces: [&'static str; 2], reason: &'static str) -> Word {
    Word {
        pieces,
        reason,
        except: None,
        within: &[],
    }
}

const fn unfinished(pieces: [&'static str; 2]) -> Word {
    let within = &[".rs", ".md", ".toml", ".yml", ".yaml", ".ci/run"];
    Word {
        pieces,
        reason: "finish it, or say plainly what is missing",
        except: None,
        within,
    }
}

const WORDS: [Word; 9] = [
    word(["/wo", "rk/"], "a path of one machine"),
    word(["/ro", "ot/"], "a path of one machine"),
    Word {
        pieces: ["../sha", "red"],
        reason: "a folder beside one checkout; recordings are found by FOREWARM_TRACES",
        except: Some(".ci/run"),
        within: &[],
    },
    word(["todo", "!("], "no stubs"),
    word(["unimpl", "emented!("], "no stubs"),
    word(["#[ig", "nore"], "a test that does not run hides a failure"),
    unfinished(["TO", "DO"]),
    unfinished(["FIX", "ME"]),
    unfinished(["XX", "X"]),
];

/// The one reason for which a test may stay behind when the others run.
const LONG: &str = "= \"minutes: run by `cargo xtask soak`\"]";

pub(super) fn check(source: &Source) -> Vec<Fault> {
    let ends = |end: &str| source.path.ends_with(end);
    let applies = |word: &&Word| {
        !word.except.is_some_and(ends)
            && (word.within.is_empty() || word.within.iter().any(|end| ends(end)))
    };
    let mut faults = Vec::new();
    for word in WORDS.iter().filter(applies) {
        let text = word.pieces.concat();
        for (index, line) in source.text.lines().enumerate() {
            if line.contains(&text) && !line.contains(LONG) {
                let what = format!("says {text:?}: {}", word.reason);
                faults.push(Fault::at(&source.path, index + 1, what));
            }
        }
    }
    faults
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
    fn every_forbidden_word_is_found_with_its_line() {
        for word in &WORDS {
            let text = format!("first line\nbefore {} after\n", word.pieces.concat());
            let source = Source {
                path: "crates/domain/src/pair.rs".to_owned(),
                text,
            };
            let found = check(&source);
            assert_eq!(found.len(), 1, "{:?}", word.pieces);
            assert!(
                found[0]
                    .to_string()
                    .starts_with("crates/domain/src/pair.rs:2: says")
            );
        }
    }

    #[test]
    fn only_the_ci_script_may_look_beside_the_checkout() {
        let text = WORDS[2].pieces.concat();
        assert_eq!(faults(".ci/run", &text), 0);
        assert_eq!(faults("README.md", &text), 1);
        assert_eq!(faults(".ci/run", &WORDS[0].pieces.concat()), 1);
    }

    #[test]
    fn marks_of_unfinished_work_are_looked_for_where_people_write_them() {
        let mark = WORDS[6].pieces.concat();
        assert_eq!(faults("Cargo.lock", &mark), 0);
        assert_eq!(faults("docs/notes.md", &mark), 1);
    }

    #[test]
    fn a_test_may_be_left_to_the_soak_and_to_nothing_else() {
        let ignored = WORDS[5].pieces.concat();
        assert_eq!(faults("a.rs", &format!("{ignored} {LONG}")), 0);
        assert_eq!(faults("a.rs", &format!("{ignored} = \"it is slow\"]")), 1);
    }

    #[test]
    fn ordinary_text_passes() {
        assert_eq!(
            faults(
                "README.md",
                "the rest of the work is at https://example.org/works"
            ),
            0
        );
    }
}
