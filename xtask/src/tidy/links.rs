//! Relative links between Markdown files, and the list of decisions.

use std::collections::HashSet;

use super::Fault;
use crate::workspace::{Source, Tracked};

const DECISIONS: &str = "docs/adr/";
/// The book's table of contents; its pages are those of this folder.
const BOOK: &str = "docs/";
const SUMMARY: &str = "docs/SUMMARY.md";

pub(super) fn check(tracked: &Tracked) -> Vec<Fault> {
    let files: HashSet<&str> = tracked.paths.iter().map(String::as_str).collect();
    let pages: Vec<&Source> = tracked
        .sources
        .iter()
        .filter(|s| s.path.ends_with(".md"))
        .collect();
    let broken = pages.iter().flat_map(|page| broken(page, &pages, &files));
    broken
        .chain(unlisted_decisions(&pages))
        .chain(unlisted_pages(&pages))
        .collect()
}

fn broken(page: &Source, pages: &[&Source], files: &HashSet<&str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (line, target) in targets(&page.text) {
        let outside = target.contains("://") || target.starts_with("mailto:");
        if outside || resolves(&page.path, target, pages, files) {
            continue;
        }
        faults.push(Fault::at(
            &page.path,
            line,
            format!("the link {target:?} leads nowhere"),
        ));
    }
    faults
}

fn resolves(from: &str, target: &str, pages: &[&Source], files: &HashSet<&str>) -> bool {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let Some(path) = joined(from, path) else {
        return false;
    };
    let folder = format!("{path}/");
    let exists = files.contains(path.as_str()) || files.iter().any(|f| f.starts_with(&folder));
    let page = pages.iter().find(|page| page.path == path);
    exists && (anchor.is_empty() || page.is_none_or(|page| has_anchor(&page.text, anchor)))
}

/// `target` seen from the file `from`; `None` when it leaves the repository.
fn joined(from: &str, target: &str) -> Option<String> {
    if target.is_empty() {
        return Some(from.to_owned());
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// The targets of `[text](target)` and `[name]: target`, with their lines, outside of code.
fn targets(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (line, text) in prose(text) {
        // Odd pieces lie between back quotes: code.
        for piece in text.split('`').step_by(2) {
            let inline = piece
                .split("](")
                .skip(1)
                .filter_map(|rest| rest.split([')', ' ']).next());
            found.extend(inline.map(|target| (line, target)));
        }
        let definition = text
            .strip_prefix('[')
            .and_then(|rest| rest.split_once("]: "));
        found.extend(
            definition
                .and_then(|(_, to)| to.split(' ').next())
                .map(|to| (line, to)),
        );
    }
    found
}

/// The lines outside of fenced code, counted from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((index + 1, line))
    })
}

fn has_anchor(text: &str, anchor: &str) -> bool {
    let headings = prose(text).filter_map(|(_, line)| {
        let title = line.trim_start_matches('#');
        (title.len() < line.len()).then(|| slug(title))
    });
    headings.into_iter().any(|slug| slug == anchor)
}

/// A heading's anchor as the usual renderers make it.
fn slug(title: &str) -> String {
    let kept = title
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase)
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

/// A decision that the index does not name will not be found.
fn unlisted_decisions(pages: &[&Source]) -> Vec<Fault> {
    let index_path = format!("{DECISIONS}README.md");
    let index = pages.iter().find(|page| page.path == index_path);
    let listed: HashSet<&str> = index
        .iter()
        .flat_map(|page| targets(&page.text))
        .map(|(_, target)| target)
        .collect();
    let decisions = pages.iter().filter(|page| page.path != index_path);
    decisions
        .filter_map(|page| Some((page, page.path.strip_prefix(DECISIONS)?)))
        .filter(|(_, name)| !listed.contains(name))
        .map(|(page, _)| Fault::new(&page.path, format!("is not listed in {index_path}")))
        .collect()
}

/// A page that the book does not list is not in it.
fn unlisted_pages(pages: &[&Source]) -> Vec<Fault> {
    let Some(summary) = pages.iter().find(|page| page.path == SUMMARY) else {
        return Vec::new();
    };
    let listed: HashSet<String> = targets(&summary.text)
        .into_iter()
        .filter_map(|(_, target)| joined(SUMMARY, target))
        .collect();
    let ours = pages
        .iter()
        .filter(|page| page.path.starts_with(BOOK) && page.path != SUMMARY);
    ours.filter(|page| !listed.contains(&page.path))
        .map(|page| Fault::new(&page.path, format!("is not listed in {SUMMARY}")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(pages: &[(&str, &str)]) -> Vec<String> {
        let sources: Vec<_> = pages
            .iter()
            .map(|(path, text)| Source {
                path: (*path).to_owned(),
                text: (*text).to_owned(),
            })
            .collect();
        let paths = sources.iter().map(|source| source.path.clone()).collect();
        check(&Tracked { paths, sources })
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    /// Whether `target` resolves from `docs/a.md` beside `docs/b.md` and `crates/x/src/lib.rs`.
    fn leads_somewhere(target: &str) -> bool {
        let page = format!("see [there]({target})\n");
        let b = "# The title: it's `x`\n```sh\n# not a title\n```\n";
        faults(&[
            ("docs/a.md", &page),
            ("docs/b.md", b),
            ("crates/x/src/lib.rs", ""),
        ])
        .is_empty()
    }

    #[test]
    fn links_to_files_folders_and_headings_resolve() {
        for target in [
            "b.md",
            "./b.md",
            "../docs/b.md",
            "../crates/x",
            "../crates/x/src/lib.rs",
        ] {
            assert!(leads_somewhere(target), "{target}");
        }
        assert!(leads_somewhere("b.md#the-title-its-x"));
        assert!(leads_somewhere("https://example.org/b"));
    }

    #[test]
    fn links_to_what_is_not_there_are_faults() {
        for target in [
            "c.md",
            "../b.md",
            "../../docs/b.md",
            "b.md#gone",
            "#gone",
            "/docs/b.md",
        ] {
            assert!(!leads_somewhere(target), "{target}");
        }
        assert!(
            !leads_somewhere("b.md#not-a-title"),
            "a comment in code is no heading"
        );
    }

    #[test]
    fn a_fault_names_the_line_and_definitions_count_too() {
        let found = faults(&[("README.md", "one\n\n[gone]: no/such.md\n")]);
        assert_eq!(
            found,
            ["README.md:3: the link \"no/such.md\" leads nowhere"]
        );
    }

    #[test]
    fn code_is_not_searched_for_links() {
        let text = "`[a](gone.md)`\n```\n[b](gone.md)\n```\n";
        assert_eq!(faults(&[("README.md", text)]), [""; 0]);
    }

    #[test]
    fn every_decision_is_in_the_index() {
        let decision = ("docs/adr/0001-x.md", "# x");
        let listed = ("docs/adr/README.md", "[0001](0001-x.md)");
        assert_eq!(faults(&[decision, listed]), [""; 0]);
        assert_eq!(
            faults(&[decision, ("docs/adr/README.md", "nothing")]).len(),
            1
        );
    }

    #[test]
    fn every_page_of_the_book_is_in_its_summary() {
        let page = ("docs/runbooks/A.md", "# A");
        let listed = (SUMMARY, "- [A](runbooks/A.md)\n");
        assert_eq!(faults(&[page, listed]), [""; 0]);
        let found = faults(&[page, ("docs/b.md", "# B"), listed]);
        assert_eq!(found, ["docs/b.md: is not listed in docs/SUMMARY.md"]);
        assert_eq!(
            faults(&[page]),
            [""; 0],
            "without a book there is nothing to list"
        );
    }
}
