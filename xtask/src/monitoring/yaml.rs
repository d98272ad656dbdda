//! YAML as we write it.

use anyhow::{Context, Result};
use serde::Serialize;

/// The first lines of every generated YAML file.
const HEADER: &str = "# Written by `cargo xtask gen`: change xtask/src/monitoring and run it.\n";

/// `value` with a header; `notes` are further lines of comment.
pub(crate) fn document(notes: &str, value: &impl Serialize) -> Result<String> {
    let options = serde_saphyr::ser_options! {
        compact_list_indent: false,
        // Folding would put line breaks into texts; literal blocks keep those that are there.
        folded_wrap_chars: usize::MAX,
    };
    let body = serde_saphyr::to_string_with_options(value, options)
        .context("a generated file is not YAML")?;
    let notes = notes
        .lines()
        .map(|line| format!("# {line}").trim_end().to_owned() + "\n");
    Ok(HEADER.to_owned() + &notes.collect::<String>() + &body)
}
