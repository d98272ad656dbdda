//! The configuration reference, written from the types.

use std::fmt::Write;

use super::layers::schema;
use super::presets::PRESETS;
use super::section::Setting;

const INTRODUCTION: &str = "\
<!-- Written by `forewarm config docs`; `forewarm config docs --check` compares. -->

# Configuration

Values come from, in rising order: the defaults below, a preset (`--preset NAME`), a TOML file
(`--config FILE`), the environment, and `--set key.path=value`. In the environment a setting is
called `FOREWARM_` and its key in capitals with `__` between the levels:
`FOREWARM_L2__REDIS__URL` is `l2.redis.url`. Variables without `__` are not configuration. A key
that is not listed here is an error.

`forewarm config show` prints what is in force and where each value came from, secrets masked;
`forewarm config check` only says whether it is in order.

Durations are written `50ms`, `1s`, `10m`, `1h`, `2d`; sizes `512KiB`, `64MiB` or a number of
bytes. `[]` stands for one element of a list (`[[feeds]]` in TOML), `*` for a name of your own.

Limits that must agree: `tracking.max_partners` ≥ `warming.max_pairs_per_warm` ≥ the maximum of
the strategy in force. An `http.addr` that other machines can reach needs `http.token`, unless
`http.allow_unauthenticated` is set.

";

/// The text of `docs/configuration.md`.
pub fn reference() -> String {
    let mut out = INTRODUCTION.to_owned();
    let mut section = None;
    for setting in schema() {
        let (inside, name) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
        if section.as_deref() != Some(inside) {
            let _ = write!(
                out,
                "## `{inside}`\n\n| setting | default | allowed | effect |\n|---|---|---|---|\n"
            );
            section = Some(inside.to_owned());
        }
        row(&mut out, name, &setting);
        if is_last_of_section(&setting.key, inside) {
            out.push('\n');
        }
    }
    presets(&mut out);
    out
}

fn row(out: &mut String, name: &str, setting: &Setting) {
    let default = match &setting.value {
        Some(value) => format!("`{}`", value.replace('"', "")),
        None => "unset".to_owned(),
    };
    let _ = writeln!(
        out,
        "| `{name}` | {} | {} | {} |",
        if default == "``" { "empty" } else { &default },
        setting.allowed,
        setting.effect.replace('|', "\\|")
    );
}

fn is_last_of_section(key: &str, section: &str) -> bool {
    let all = schema();
    let last = all.iter().rev().find(|setting| {
        setting
            .key
            .rsplit_once('.')
            .is_some_and(|(s, _)| s == section)
    });
    last.is_some_and(|setting| setting.key == key)
}

fn presets(out: &mut String) {
    out.push_str("## Presets\n\n| preset | what for | sets |\n|---|---|---|\n");
    for (name, about, text) in PRESETS {
        let lines: Vec<_> = text
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .map(|line| format!("`{line}`"))
            .collect();
        let _ = writeln!(out, "| `{name}` | {about} | {} |", lines.join("<br>"));
    }
}
