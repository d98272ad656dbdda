//! From Redis commands to what happened to which key.

use bytes::Bytes;
use forewarm_domain::{Op, Timestamp};

use super::source::{Line, Teller};
use crate::resp::command::{Cached, Command, Keys, find};
use crate::resp::request::Arguments;

/// Appends what the command did to `lines`; `false` when nobody can tell which keys it wrote.
pub(super) fn effects(
    arguments: Arguments<'_>,
    at: Timestamp,
    database: u16,
    lines: &mut Vec<Line>,
) -> bool {
    let Some(name) = arguments.get(0) else {
        return true;
    };
    let mut push = |key: &[u8], op| {
        lines.push(Line {
            at,
            key: Bytes::copy_from_slice(key),
            op,
            version: None,
            // Whoever wrote it, it did not come through Forewarm: L1's copy would be stale.
            valued: false,
            database,
            teller: Teller::Here,
        });
    };
    let command = find(name);
    match command {
        Command::Cached(Cached::MGet | Cached::Exists) => {
            arguments.iter().skip(1).for_each(|key| push(key, Op::Read));
            true
        }
        Command::Cached(Cached::Get | Cached::GetRange | Cached::StrLen) => {
            arguments
                .iter()
                .skip(1)
                .take(1)
                .for_each(|key| push(key, Op::Read));
            true
        }
        Command::Passed(passed) if passed.keys == Keys::Any => false,
        Command::Passed(_) => {
            command
                .written_keys(arguments)
                .for_each(|key| push(key, Op::Update));
            true
        }
        _ => true,
    }
}
