//! The book tells the truth of the code: its commands are commands, and outputs that are the same every
//! time are those printed there.

use std::path::{Path, PathBuf};

use crate::process::command;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// README.md and the pages of the book.
fn pages() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut names = vec!["README.md".to_owned()];
    let mut folders = vec![PathBuf::from("docs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root.join(&folder)).expect("the folder is there") {
            let path = folder.join(entry.expect("it can be listed").file_name());
            if root.join(&path).is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                names.push(path.to_string_lossy().into_owned());
            }
        }
    }
    names
}

/// The fenced blocks with their language.
fn blocks(text: &str) -> Vec<(&str, &str)> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.filter_map(|block| block.split_once('\n')).collect()
}

/// The block of `language` that contains `part`.
fn block<'a>(text: &'a str, language: &str, part: &str) -> &'a str {
    let found = blocks(text)
        .into_iter()
        .find(|(name, block)| *name == language && block.contains(part));
    found.unwrap_or_else(|| panic!("no block with {part:?}")).1
}

/// The words of a command up to a pipe, a redirection or its end; quotes are taken off.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut begun = false;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(letter), true),
            (None, '|' | '>' | '<' | '&' | ';' | '#' | ')') => break,
            (None, ' ') => {
                if begun {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            (_, letter) => {
                word.push(letter);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

#[test]
fn every_forewarm_command_of_the_book_is_one() {
    let mut checked = 0;
    for name in pages() {
        let text = page(&name).replace("\\\n", " ");
        for (language, block) in blocks(&text) {
            if language != "sh" {
                continue;
            }
            for line in block.lines() {
                let starts = ["forewarm ", "cargo run --release -- "];
                let Some(start) = starts
                    .iter()
                    .find_map(|start| Some((line.find(start)?, start)))
                else {
                    continue;
                };
                // Behind nothing, `until` or settings: elsewhere the word is an argument of somebody's.
                let mut before = line[..start.0].split_whitespace();
                if !before.all(|word| word == "until" || word.contains('=')) {
                    continue;
                }
                let mut arguments = words(&line[start.0 + start.1.len()..]);
                // Parsed like any other, but then it prints its help and does nothing.
                arguments.push("--help".to_owned());
                let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                let output = command(&arguments).output().expect("the binary runs");
                let error = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{name}: {line}\n{error}");
                checked += 1;
            }
        }
    }
    assert!(checked >= 10, "{checked} commands were found");
}

#[test]
fn capacity_prints_what_the_page_on_scaling_shows() {
    let text = page("docs/scaling.md");
    let line = block(&text, "sh", "forewarm capacity");
    let arguments = words(
        line.trim()
            .strip_prefix("forewarm ")
            .expect("it is the command"),
    );
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = command(&arguments).output().expect("the binary runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(printed, block(&text, "text", "10000 pairs, 5000 updates/s"));
}

#[test]
fn generate_and_replay_print_what_the_quick_start_shows() {
    let text = page("docs/quick-start.md");
    let folder = tempfile::tempdir().expect("a folder");
    let run = |line: &str| {
        let arguments = words(
            line.trim()
                .strip_prefix("forewarm ")
                .expect("a command of ours"),
        );
        let output = command(&[])
            .args(&arguments)
            .current_dir(folder.path())
            .output();
        let output = output.expect("the binary runs");
        assert!(
            output.status.success(),
            "{line}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let generate = block(&text, "sh", "forewarm generate");
    run(generate.lines().next().expect("a line"));
    let replay = run(block(&text, "sh", "forewarm replay"));
    assert_eq!(
        replay.trim(),
        block(&text, "text", "recommended: adaptive").trim()
    );
}
