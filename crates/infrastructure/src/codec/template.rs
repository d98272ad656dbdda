//! The text form of a key template and the two ways through it: build and read.

use std::borrow::Cow;

const CHAIN: &str = "{chain}";
const ADDRESS: &str = "{address}";

/// Why a key template is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A template without `{address}` would give every pair the same key.
    #[error("the key template {template:?} has no {{address}}")]
    NoAddress {
        /// The whole template.
        template: String,
    },
    /// A placeholder stands twice.
    #[error("the key template {template:?} has {placeholder} more than once")]
    Repeated {
        /// The whole template.
        template: String,
        /// `{chain}` or `{address}`.
        placeholder: &'static str,
    },
    /// Something in braces that is neither.
    #[error(
        "the key template {template:?} has an unknown placeholder {placeholder} (known: {{chain}}, {{address}})"
    )]
    Unknown {
        /// The whole template.
        template: String,
        /// The unknown placeholder, braces included.
        placeholder: String,
    },
    /// Nothing, or nothing that can be told from a name, keeps chain and address apart.
    #[error(
        "the key template {template:?} needs a separator between {{chain}} and {{address}}: on the chain's side it must begin with a character that is no letter, digit or `%`"
    )]
    Separator {
        /// The whole template.
        template: String,
    },
}

/// A checked template.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    prefix: String,
    suffix: String,
    chain: Option<ChainPart>,
}

/// Where the chain stands, and what keeps it apart from the address.
#[derive(Debug, PartialEq, Eq)]
struct ChainPart {
    first: bool,
    separator: String,
    /// The separator's character next to the chain; escaped inside a chain, so that the first
    /// (or, for a chain that stands last, the last) one in a key ends the chain.
    guard: char,
}

impl Template {
    pub(super) fn parse(text: &str) -> Result<Self, TemplateError> {
        let template = || text.to_owned();
        let find = |placeholder: &'static str| {
            let mut found = text.match_indices(placeholder).map(|(at, _)| at);
            let first = found.next();
            if found.next().is_some() {
                let template = template();
                return Err(TemplateError::Repeated {
                    template,
                    placeholder,
                });
            }
            Ok(first)
        };
        let chain_at = find(CHAIN)?;
        let Some(address_at) = find(ADDRESS)? else {
            return Err(TemplateError::NoAddress {
                template: template(),
            });
        };
        let after_address = address_at + ADDRESS.len();

        let (start, end, chain) = match chain_at {
            None => (address_at, after_address, None),
            Some(at) if at < address_at => {
                let separator = &text[at + CHAIN.len()..address_at];
                (
                    at,
                    after_address,
                    Some((true, separator, separator.chars().next())),
                )
            }
            Some(at) => {
                let separator = &text[after_address..at];
                (
                    address_at,
                    at + CHAIN.len(),
                    Some((false, separator, separator.chars().next_back())),
                )
            }
        };
        let (prefix, suffix) = (&text[..start], &text[end..]);
        let separator = chain.map_or("", |(_, separator, _)| separator);
        for literal in [prefix, separator, suffix] {
            if let Some(placeholder) = placeholder_in(literal) {
                let template = template();
                return Err(TemplateError::Unknown {
                    template,
                    placeholder,
                });
            }
        }
        let chain = match chain {
            None => None,
            Some((first, separator, Some(guard))) if !guard.is_alphanumeric() && guard != '%' => {
                let separator = separator.to_owned();
                Some(ChainPart {
                    first,
                    separator,
                    guard,
                })
            }
            Some(_) => {
                return Err(TemplateError::Separator {
                    template: template(),
                });
            }
        };
        Ok(Self {
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
            chain,
        })
    }

    pub(super) fn has_chain(&self) -> bool {
        self.chain.is_some()
    }

    /// The key of a pair whose parts are lower-case already.
    pub(super) fn build(&self, chain: &str, address: &str) -> Vec<u8> {
        let Self { prefix, suffix, .. } = self;
        let middle = match &self.chain {
            None => Cow::Borrowed(address),
            Some(part) => {
                let (chain, separator) = (part.escape(chain), &part.separator);
                Cow::Owned(if part.first {
                    format!("{chain}{separator}{address}")
                } else {
                    format!("{address}{separator}{chain}")
                })
            }
        };
        format!("{prefix}{middle}{suffix}").into_bytes()
    }

    /// Chain (where the template has one) and address of a key that [`build`](Self::build)
    /// would make; `None` for every other key.
    pub(super) fn read<'a>(&self, key: &'a [u8]) -> Option<(Option<Cow<'a, str>>, &'a str)> {
        // Most keys of others are told apart by the prefix, before anything is decoded.
        let rest = key.strip_prefix(self.prefix.as_bytes())?;
        let middle = std::str::from_utf8(rest)
            .ok()?
            .strip_suffix(&*self.suffix)?;
        let (chain, address) = match &self.chain {
            None => (None, middle),
            Some(part) => {
                let (chain, address) = part.split(middle)?;
                (Some(part.unescape(chain)?), address)
            }
        };
        (!address.is_empty() && is_lower_case(address)).then_some((chain, address))
    }
}

impl ChainPart {
    fn split<'a>(&self, middle: &'a str) -> Option<(&'a str, &'a str)> {
        if self.first {
            let (chain, rest) = middle.split_at(middle.find(self.guard)?);
            Some((chain, rest.strip_prefix(&*self.separator)?))
        } else {
            let at = middle.rfind(self.guard)? + self.guard.len_utf8();
            let (rest, chain) = middle.split_at(at);
            Some((chain, rest.strip_suffix(&*self.separator)?))
        }
    }

    fn escape<'a>(&self, chain: &'a str) -> Cow<'a, str> {
        let special = |c: char| c == self.guard || c == '%';
        if !chain.contains(special) {
            return Cow::Borrowed(chain);
        }
        let mut escaped = String::with_capacity(chain.len() + 8);
        for c in chain.chars() {
            if special(c) {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    // Lower-case, as everything that is built here.
                    escaped.push_str(&format!("%{byte:02x}"));
                }
            } else {
                escaped.push(c);
            }
        }
        Cow::Owned(escaped)
    }

    /// The chain behind `text`, if `text` is exactly what [`escape`](Self::escape) makes of it.
    fn unescape<'a>(&self, text: &'a str) -> Option<Cow<'a, str>> {
        if text.is_empty() || !is_lower_case(text) {
            return None;
        }
        if !text.contains('%') {
            return Some(Cow::Borrowed(text));
        }
        let mut bytes = Vec::with_capacity(text.len());
        let mut rest = text.bytes();
        while let Some(byte) = rest.next() {
            bytes.push(match byte {
                b'%' => hex_digit(rest.next()?)? << 4 | hex_digit(rest.next()?)?,
                plain => plain,
            });
        }
        let chain = String::from_utf8(bytes).ok()?;
        (self.escape(&chain) == text && is_lower_case(&chain)).then_some(Cow::Owned(chain))
    }
}

fn hex_digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// The first `{name}` in a literal part of a template.
fn placeholder_in(literal: &str) -> Option<String> {
    let start = literal.find('{')?;
    let rest = &literal[start + 1..];
    let name_end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
    match name_end {
        Some(end) if end > 0 && rest[end..].starts_with('}') => {
            Some(literal[start..start + end + 2].to_owned())
        }
        _ => placeholder_in(rest),
    }
}

/// Whether lower-casing would change nothing.
pub(super) fn is_lower_case(text: &str) -> bool {
    if text.is_ascii() {
        return !text.bytes().any(|b| b.is_ascii_uppercase());
    }
    text.chars().all(|c| c.to_lowercase().eq([c]))
}
