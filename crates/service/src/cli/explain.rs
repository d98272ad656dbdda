//! `forewarm explain`.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::Value;

use super::Failure;
use super::client::{Access, Client, DEFAULT_SERVER, escaped};

pub(super) const EXAMPLES: &str = "\
PAIR is chain/address or chain:address; a name without either is a key, or a pair of the chain
`default`. The answer says what is known to be read after the pair's events, how sure that is,
what would be fetched if the event came now and what stands against it, and which other pairs
point to this one.

Examples:
  forewarm explain ethereum/0xb4e16d0168e52d35cacd2c6185b44281ec28c9dc
  forewarm explain user:42:profile --server http://10.0.0.7:9464
  forewarm explain bsc:0x16b9 --format json | jq '.partners[] | {pair, score, state}'

Exit codes: 0 answered (also when nothing is known of the pair), 64 bad usage, 69 the server
does not answer.";

#[derive(Debug, Args)]
pub(super) struct ExplainArguments {
    /// The pair: chain/address, chain:address or a key.
    #[arg(value_name = "PAIR")]
    pair: String,
    /// The running service.
    #[arg(long, value_name = "URL", default_value = DEFAULT_SERVER)]
    server: String,
    #[command(flatten)]
    access: Access,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Text for people, JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

pub(super) fn run(arguments: &ExplainArguments) -> Result<(), Failure> {
    let (chain, pair) = parts(&arguments.pair).map_err(Failure::Usage)?;
    let client = Client::new("--server", &arguments.server, &arguments.access)?;
    let path = format!("/v1/explain/{}/{}", escaped(chain), escaped(pair));
    let answer = client.get(&path)?.json()?;
    let text = match arguments.format {
        Format::Json => format!("{answer}\n"),
        Format::Text => shown(&answer),
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::output)
}

/// Chain and pair; the first `/` parts them, else the first `:`.
fn parts(text: &str) -> anyhow::Result<(&str, &str)> {
    let (chain, pair) = text
        .split_once('/')
        .or_else(|| text.split_once(':'))
        .unwrap_or(("default", text));
    if chain.is_empty() || pair.is_empty() {
        anyhow::bail!("PAIR: {text:?} is no pair, expected chain/address");
    }
    Ok((chain, pair))
}

/// The paragraph, broken into lines, and the figures as a table.
fn shown(answer: &Value) -> String {
    let mut out = wrapped(answer["words"].as_str().unwrap_or_default(), 96);
    let tables = [
        ("partners", "followed by"),
        ("pointed_at_by", "pointed at by"),
    ];
    for (field, title) in tables {
        let rows = answer[field].as_array().map_or(&[][..], Vec::as_slice);
        if rows.is_empty() {
            continue;
        }
        let mut table = vec![
            [
                title,
                "after",
                "score",
                "P",
                "support",
                "lift",
                "lag",
                "last times",
                "state",
            ]
            .map(str::to_owned),
        ];
        table.extend(rows.iter().map(cells));
        out.push('\n');
        out.push_str(&super::table::aligned(&table));
    }
    out
}

fn cells(row: &Value) -> [String; 9] {
    let number = |name: &str, digits: usize| {
        let value = row[name].as_f64().unwrap_or_default();
        format!("{value:.digits$}")
    };
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let followed = row["followed"].as_array().map_or(&[][..], Vec::as_slice);
    let marks = followed.iter().map(|yes| {
        if yes.as_bool() == Some(true) {
            '+'
        } else {
            '-'
        }
    });
    [
        format!("{}/{}", text("chain"), text("pair")),
        text("after"),
        number("score", 2),
        number("probability", 2),
        number("support", 1),
        number("lift", 0),
        format!("{} ms", number("lag_ms", 1)),
        marks.collect(),
        text("state"),
    ]
}

/// Words in lines of at most `width` characters.
pub(super) fn wrapped(text: &str, width: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > width {
            out.push('\n');
            used = 0;
        }
        let _ = write!(out, "{}{word}", if used > 0 { " " } else { "" });
        used += length + usize::from(used > 0);
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_is_parted_at_its_first_slash_or_colon_and_a_key_is_of_no_chain() {
        let check = |text, expected| assert_eq!(parts(text).ok(), expected, "{text}");
        check("eth/0xab", Some(("eth", "0xab")));
        check("eth:0xab", Some(("eth", "0xab")));
        check("eth/a:b/c", Some(("eth", "a:b/c")));
        check("balance", Some(("default", "balance")));
        check("/x", None);
        check("eth:", None);
        check("", None);
    }

    #[test]
    fn lines_are_broken_between_words_only() {
        assert_eq!(wrapped("one two three", 7), "one two\nthree\n");
        assert_eq!(wrapped("incomprehensible a", 4), "incomprehensible\na\n");
    }
}
