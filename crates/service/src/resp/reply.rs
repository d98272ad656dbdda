//! Replies, written for the protocol that the client speaks.

use std::fmt::Write as _;

/// Which of the two protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// What every client begins with.
    #[default]
    Resp2,
    /// After `HELLO 3`.
    Resp3,
}

/// Appends replies to a buffer of bytes to be sent.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    protocol: Protocol,
}

impl<'a> Reply<'a> {
    /// Replies for `protocol`, at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>, protocol: Protocol) -> Self {
        Self { out, protocol }
    }

    /// `+text`
    pub fn simple(&mut self, text: &str) {
        self.line(b'+', text);
    }

    /// `+OK`
    pub fn ok(&mut self) {
        self.out.extend_from_slice(b"+OK\r\n");
    }

    /// `-text`; the first word is the error's code. A line break would end it too early.
    pub fn error(&mut self, text: &str) {
        let clean: String = text
            .chars()
            .map(|c| if matches!(c, '\r' | '\n') { ' ' } else { c })
            .collect();
        self.line(b'-', &clean);
    }

    /// `:number`
    pub fn integer(&mut self, number: i64) {
        self.out.push(b':');
        decimal(self.out, number);
    }

    /// A bulk string.
    pub fn bulk(&mut self, bytes: &[u8]) {
        bulk(self.out, bytes);
    }

    /// "Not there."
    pub fn null(&mut self) {
        self.out.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }

    /// The beginning of a list of `count` replies.
    pub fn array(&mut self, count: usize) {
        self.head(b'*', count);
    }

    /// The beginning of `count` pairs of replies; a flat list for RESP2.
    pub fn map(&mut self, count: usize) {
        match self.protocol {
            Protocol::Resp2 => self.head(b'*', 2 * count),
            Protocol::Resp3 => self.head(b'%', count),
        }
    }

    /// A number that is not whole; text for RESP2.
    pub fn double(&mut self, number: f64) {
        let text = format!("{number}");
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => self.line(b',', &text),
        }
    }

    /// A text for people.
    pub fn text(&mut self, text: &str) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                self.head(b'=', text.len() + 4);
                self.out.extend_from_slice(b"txt:");
                self.out.extend_from_slice(text.as_bytes());
                self.out.extend_from_slice(b"\r\n");
            }
        }
    }

    fn head(&mut self, kind: u8, count: usize) {
        self.out.push(kind);
        decimal(self.out, i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn line(&mut self, kind: u8, text: &str) {
        self.out.push(kind);
        self.out.extend_from_slice(text.as_bytes());
        self.out.extend_from_slice(b"\r\n");
    }
}

/// A bulk string, without a look at the protocol: it is the same in both.
#[inline]
pub fn bulk(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 16);
    out.push(b'$');
    decimal(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// The number and the end of its line. Lengths of values are short: those of up to three digits
/// take no division loop.
#[inline]
fn decimal(out: &mut Vec<u8>, number: i64) {
    if (0..10).contains(&number) {
        out.extend_from_slice(&[b'0' + number as u8, b'\r', b'\n']);
        return;
    }
    let mut text = String::new();
    let mut digits = [0_u8; 20];
    if number > 0 {
        let (mut at, mut rest) = (digits.len(), number as u64);
        while rest > 0 {
            at -= 1;
            digits[at] = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        out.extend_from_slice(&digits[at..]);
    } else {
        write!(text, "{number}").expect("a String takes every write");
        out.extend_from_slice(text.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(protocol: Protocol, write: impl FnOnce(&mut Reply<'_>)) -> String {
        let mut out = Vec::new();
        write(&mut Reply::new(&mut out, protocol));
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn every_kind_of_reply_has_the_form_of_its_protocol() {
        let check = |write: fn(&mut Reply<'_>), resp2: &str, resp3: &str| {
            assert_eq!(written(Protocol::Resp2, write), resp2);
            assert_eq!(written(Protocol::Resp3, write), resp3);
        };
        check(|r| r.ok(), "+OK\r\n", "+OK\r\n");
        check(|r| r.integer(-2), ":-2\r\n", ":-2\r\n");
        check(|r| r.integer(0), ":0\r\n", ":0\r\n");
        check(
            |r| r.integer(i64::MIN),
            ":-9223372036854775808\r\n",
            ":-9223372036854775808\r\n",
        );
        check(|r| r.integer(1_234_567), ":1234567\r\n", ":1234567\r\n");
        check(|r| r.bulk(b"ab"), "$2\r\nab\r\n", "$2\r\nab\r\n");
        check(
            |r| r.bulk(&[b'x'; 12]),
            "$12\r\nxxxxxxxxxxxx\r\n",
            "$12\r\nxxxxxxxxxxxx\r\n",
        );
        check(|r| r.null(), "$-1\r\n", "_\r\n");
        check(|r| r.array(2), "*2\r\n", "*2\r\n");
        check(|r| r.map(2), "*4\r\n", "%2\r\n");
        check(|r| r.double(0.5), "$3\r\n0.5\r\n", ",0.5\r\n");
        check(|r| r.text("hi"), "$2\r\nhi\r\n", "=6\r\ntxt:hi\r\n");
    }

    #[test]
    fn an_error_stays_one_line_whatever_it_quotes() {
        let text = written(Protocol::Resp2, |r| r.error("ERR no\r\n+OK"));
        assert_eq!(text, "-ERR no  +OK\r\n");
    }
}
