//! Replies of L2 as they pass: where one ends, and of what kind it is.
//!
//! Nothing is taken apart or kept: a reply of any size goes through in pieces, and nesting costs
//! a counter, not a stack.

/// The longest line that heads a part of a reply; errors of scripts can be long.
const MAX_LINE_BYTES: usize = 1 << 20;

/// L2 has sent something that is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the shared cache does not speak the protocol (a part of a reply begins with byte {0})")]
pub struct NoReply(u8);

/// Follows one reply through the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scanner {
    /// What the reply begins with; 0 = nothing has come yet.
    kind: u8,
    /// Parts still to come.
    open: usize,
    /// Bytes of a bulk string still to come, its line end counted.
    skip: usize,
}

/// How far a look at some bytes has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Bytes that belong to the reply; those behind them have not been understood yet, or belong
    /// to the next.
    pub taken: usize,
    /// The reply ends there.
    pub whole: bool,
}

impl Scanner {
    /// The reply's first byte: `+ - : $ * _ # , ( = ! ~ %` or `>`.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// Whether a reply has begun and not ended.
    pub fn is_midway(&self) -> bool {
        self.kind != 0
    }

    /// Looks at the bytes that follow those taken so far.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<Seen, NoReply> {
        let mut taken = 0;
        if self.kind == 0 {
            let Some(&kind) = bytes.first() else {
                return Ok(Seen {
                    taken,
                    whole: false,
                });
            };
            self.kind = kind;
            self.open = 1;
        }
        loop {
            let pass = self.skip.min(bytes.len() - taken);
            self.skip -= pass;
            taken += pass;
            if self.skip > 0 {
                return Ok(Seen {
                    taken,
                    whole: false,
                });
            }
            if self.open == 0 {
                return Ok(Seen { taken, whole: true });
            }
            let rest = &bytes[taken..];
            let Some(length) = memchr::memmem::find(rest, b"\r\n") else {
                let too_long = rest.len() > MAX_LINE_BYTES;
                let unknown = rest.first().filter(|kind| too_long || !is_kind(**kind));
                return match unknown {
                    Some(&byte) => Err(NoReply(byte)),
                    None => Ok(Seen {
                        taken,
                        whole: false,
                    }),
                };
            };
            self.part(&rest[..length])?;
            taken += length + 2;
        }
    }

    /// Takes note of the line that heads a part.
    fn part(&mut self, line: &[u8]) -> Result<(), NoReply> {
        let (&kind, rest) = line.split_first().ok_or(NoReply(b'\r'))?;
        let count = || {
            let number = super::request::number(rest).ok_or(NoReply(kind))?;
            Ok(usize::try_from(number).unwrap_or(0))
        };
        self.open -= 1;
        match kind {
            b'+' | b'-' | b':' | b'_' | b'#' | b',' | b'(' => {}
            b'$' | b'=' | b'!' if rest == b"-1" => {}
            b'$' | b'=' | b'!' => self.skip = count()?.saturating_add(2),
            b'*' | b'~' | b'>' => self.open = self.open.saturating_add(count()?),
            b'%' => self.open = self.open.saturating_add(count()?.saturating_mul(2)),
            // Attributes come before the part that they are about.
            b'|' => self.open = self.open.saturating_add(count()?.saturating_mul(2) + 1),
            other => return Err(NoReply(other)),
        }
        Ok(())
    }
}

fn is_kind(byte: u8) -> bool {
    b"+-:_#,($=!*~>%|".contains(&byte)
}

/// The texts of a flat list, as subscriptions are confirmed: `["subscribe", "channel", 1]`.
/// Numbers are given as their digits, what is null as nothing.
pub fn texts(reply: &[u8]) -> Option<Vec<&[u8]>> {
    let (head, mut rest) = line(reply)?;
    let (kind, count) = head.split_first()?;
    if !matches!(kind, b'*' | b'>') {
        return None;
    }
    let count = usize::try_from(super::request::number(count)?).ok()?;
    let mut texts = Vec::new();
    for _ in 0..count.min(8) {
        let (head, after) = line(rest)?;
        let (kind, text) = head.split_first()?;
        rest = after;
        texts.push(match kind {
            b'$' if text == b"-1" => &[][..],
            b'$' => {
                let length = usize::try_from(super::request::number(text)?).ok()?;
                let text = rest.get(..length)?;
                rest = rest.get(length + 2..)?;
                text
            }
            b':' | b'+' => text,
            b'_' => &[][..],
            _ => return None,
        });
    }
    Some(texts)
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let length = memchr::memmem::find(bytes, b"\r\n")?;
    Some((&bytes[..length], &bytes[length + 2..]))
}

#[cfg(test)]
mod tests;
