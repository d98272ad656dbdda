//! Replacing the part of a text that a measurement owns.

use anyhow::{Context, Result};

/// `text` with `content` between `<!-- bench:NAME -->` and `<!-- /bench:NAME -->`.
///
/// # Errors
/// When one of the two markers is missing, or they stand in the wrong order.
pub(crate) fn replaced(text: &str, name: &str, content: &str) -> Result<String> {
    let (open, close) = (
        format!("<!-- bench:{name} -->"),
        format!("<!-- /bench:{name} -->"),
    );
    let (before, rest) = text
        .split_once(&open)
        .with_context(|| format!("no marker {open}"))?;
    let (_, after) = rest
        .split_once(&close)
        .with_context(|| format!("no marker {close} after {open}"))?;
    Ok(format!(
        "{before}{open}\n{}\n{close}{after}",
        content.trim_end()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# Title\n<!-- bench:a -->\nold\n<!-- /bench:a -->\nend\n";

    #[test]
    fn only_the_marked_part_is_replaced_and_a_second_time_changes_nothing() {
        let once = replaced(PAGE, "a", "new\n").expect("the markers are there");
        assert_eq!(
            once,
            "# Title\n<!-- bench:a -->\nnew\n<!-- /bench:a -->\nend\n"
        );
        assert_eq!(replaced(&once, "a", "new\n").expect("still there"), once);
    }

    #[test]
    fn missing_or_reversed_markers_are_errors() {
        for page in ["", "<!-- bench:a -->", "<!-- /bench:a --> <!-- bench:a -->"] {
            assert!(replaced(page, "a", "new").is_err(), "{page:?}");
        }
        assert!(replaced(PAGE, "b", "new").is_err());
    }
}
