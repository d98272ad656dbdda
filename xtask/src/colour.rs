//! What people are told: in colour where one is looking.

use std::io::{IsTerminal, Write};

/// A line on standard output. Whoever has closed it (`| head`) does not want the rest, which is no
/// reason to stop what is being done.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A pen that writes in colour on a terminal and plainly elsewhere (`NO_COLOR` is heeded).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pen {
    on: bool,
}

impl Pen {
    /// For what goes to standard output.
    pub(crate) fn stdout() -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            on: std::io::stdout().is_terminal() && !refused,
        }
    }

    pub(crate) fn green(self, text: &str) -> String {
        self.paint(32, text)
    }

    pub(crate) fn yellow(self, text: &str) -> String {
        self.paint(33, text)
    }

    pub(crate) fn red(self, text: &str) -> String {
        self.paint(31, text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint(2, text)
    }

    fn paint(self, code: u8, text: &str) -> String {
        if self.on {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_left_alone_where_nobody_looks() {
        assert_eq!(Pen { on: false }.red("x"), "x");
        assert_eq!(Pen { on: true }.red("x"), "\x1b[31mx\x1b[0m");
    }
}
