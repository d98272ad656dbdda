//! `@id.level` in an expression or a text stands for a figure of the table.

use anyhow::{Context, Result, bail};

use super::{Level, Threshold, Thresholds};

impl Thresholds {
    /// `template` with plain numbers, for PromQL.
    pub(crate) fn in_expression(&self, template: &str) -> Result<String> {
        self.filled(template, |_, figure| figure.to_string())
    }

    /// `template` with figures and units, for people.
    pub(crate) fn in_text(&self, template: &str) -> Result<String> {
        self.filled(template, Threshold::text)
    }

    fn filled(&self, template: &str, shown: impl Fn(&Threshold, f64) -> String) -> Result<String> {
        let mut pieces = template.split('@');
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            let in_token = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let (id, rest) = piece
                .split_once('.')
                .with_context(|| format!("@{piece} in {template:?} names no level"))?;
            let end = rest.find(|c| !in_token(c)).unwrap_or(rest.len());
            let (level, rest) = rest.split_at(end);
            let Some(level) = Level::named(level) else {
                bail!("@{id}.{level} in {template:?} names no level");
            };
            let row = self.row(id).with_context(|| format!("in {template:?}"))?;
            text += &shown(row, self.figure(id, level)?);
            text += rest;
        }
        Ok(text)
    }
}
