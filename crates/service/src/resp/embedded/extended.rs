//! Redis' floating-point numbers: `INCRBYFLOAT` computes in the 80-bit format of x87 (a mantissa of
//! 64 bits) and prints 17 places of it, noise included: 1000.1 becomes `1000.09999999999999998`.
//! Clients compare such texts, so they are computed alike, with whole numbers of any size.

use num_bigint::BigUint;

/// Bits of a mantissa.
const MANTISSA: u64 = 64;
/// The exponent of the smallest step above zero, and the first power of two that is too large.
const SMALLEST: i64 = -16_445;
const TOO_LARGE: i64 = 16_384;
/// Longer texts are no numbers, as in Redis.
const LONGEST: usize = 5 * 1024 - 1;
/// Places behind the point that are printed.
const PLACES: u32 = 17;

/// mantissa × 2^exponent; or infinite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Extended {
    Infinite {
        negative: bool,
    },
    Finite {
        negative: bool,
        mantissa: BigUint,
        exponent: i64,
    },
}

impl Extended {
    /// A number as Redis reads it: decimal, with a point and an exponent if there are any, or
    /// `inf`. (C's hexadecimal notation is not read.)
    pub(super) fn read(text: &[u8]) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let (negative, rest) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        if rest.eq_ignore_ascii_case(b"inf") || rest.eq_ignore_ascii_case(b"infinity") {
            return Some(Self::Infinite { negative });
        }
        let (number, power) = match rest.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&rest[..at], power(&rest[at + 1..])?),
            None => (rest, 0),
        };
        let mut parts = number.splitn(2, |byte| *byte == b'.');
        let (whole, part) = (parts.next()?, parts.next().unwrap_or_default());
        let digits = [whole, part].concat();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let digits = BigUint::parse_bytes(&digits, 10)?;
        if digits == BigUint::ZERO {
            return Some(Self::zero(negative));
        }
        let power = power - i64::try_from(part.len()).ok()?;
        // Beyond this it is infinite, or nothing, whatever the digits: at most 5,119 of them.
        if !(-11_000..11_000).contains(&power) {
            return None;
        }
        let ten = BigUint::from(10_u8).pow(u32::try_from(power.unsigned_abs()).ok()?);
        let read = if power >= 0 {
            Self::rounded(negative, digits * ten, BigUint::from(1_u8), 0)
        } else {
            Self::rounded(negative, digits, ten, 0)
        };
        // Too large or too small to be told.
        let told = matches!(&read, Self::Finite { mantissa, .. } if *mantissa != BigUint::ZERO);
        told.then_some(read)
    }

    fn zero(negative: bool) -> Self {
        Self::Finite {
            negative,
            mantissa: BigUint::ZERO,
            exponent: 0,
        }
    }

    /// `above` / `below` × 2^`exponent`, rounded to the nearest, and to the even one of two.
    fn rounded(negative: bool, above: BigUint, below: BigUint, exponent: i64) -> Self {
        let bits = |number: &BigUint| number.bits() as i64;
        // So that the quotient has as many bits as a mantissa, or one more.
        let shift = MANTISSA as i64 + bits(&below) - bits(&above);
        let mut exponent = exponent - shift;
        let mut shift = shift;
        if exponent < SMALLEST {
            shift -= SMALLEST - exponent;
            exponent = SMALLEST;
        }
        let (above, below) = if shift >= 0 {
            (above << shift.unsigned_abs(), below)
        } else {
            (above, below << shift.unsigned_abs())
        };
        let mut mantissa = nearest(&above, &below);
        if mantissa.bits() > MANTISSA {
            // The one bit more: rounded once, from what is exact.
            mantissa = nearest(&above, &(below << 1_u8));
            exponent += 1;
        }
        if bits(&mantissa) + exponent > TOO_LARGE {
            return Self::Infinite { negative };
        }
        Self::Finite {
            negative,
            mantissa,
            exponent,
        }
    }

    /// The sum; `None` for infinite less infinite.
    pub(super) fn plus(self, other: Self) -> Option<Self> {
        use Extended::{Finite, Infinite};
        let (a, b) = match (self, other) {
            (Infinite { negative: a }, Infinite { negative: b }) if a != b => return None,
            (Infinite { negative }, _) | (_, Infinite { negative }) => {
                return Some(Infinite { negative });
            }
            (a, b) => (a, b),
        };
        let (
            Finite {
                negative: minus_a,
                mantissa: a,
                exponent: e,
            },
            Finite {
                negative: minus_b,
                mantissa: b,
                exponent: f,
            },
        ) = (a, b)
        else {
            return None;
        };
        let lower = e.min(f);
        let (a, b) = (
            a << (e - lower).unsigned_abs(),
            b << (f - lower).unsigned_abs(),
        );
        let (negative, sum) = match (minus_a == minus_b, a >= b) {
            (true, _) => (minus_a, a + b),
            (false, true) => (minus_a, a - b),
            (false, false) => (minus_b, b - a),
        };
        if sum == BigUint::ZERO {
            return Some(Self::zero(minus_a && minus_b));
        }
        Some(Self::rounded(negative, sum, BigUint::from(1_u8), lower))
    }

    /// As Redis writes it: 17 places, without the zeros at the end. `None` where it is infinite.
    pub(super) fn text(&self) -> Option<String> {
        let Self::Finite {
            negative,
            mantissa,
            exponent,
        } = self
        else {
            return None;
        };
        let scaled = mantissa * BigUint::from(10_u8).pow(PLACES);
        let power = exponent.unsigned_abs();
        let whole = if *exponent >= 0 {
            scaled << power
        } else {
            nearest(&scaled, &(BigUint::from(1_u8) << power))
        };
        let places = PLACES as usize;
        let digits = format!("{whole:0>width$}", width = places + 1);
        let (whole, part) = digits.split_at(digits.len() - places);
        let text = format!("{whole}.{part}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let sign = if *negative && text != "0" { "-" } else { "" };
        Some(format!("{sign}{text}"))
    }
}

/// The quotient, rounded to the nearest, and to the even one of two.
fn nearest(above: &BigUint, below: &BigUint) -> BigUint {
    let quotient = above / below;
    let twice = (above - &quotient * below) << 1_u8;
    let up = twice > *below || twice == *below && quotient.bit(0);
    if up { quotient + 1_u8 } else { quotient }
}

/// The number behind an `e`, kept within what any text may need.
fn power(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let most = 1_000_000_i64;
    let value = digits.iter().fold(0_i64, |value, digit| {
        (value * 10 + i64::from(digit - b'0')).min(most)
    });
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(a: &str, b: &str) -> Option<String> {
        let read = |text: &str| Extended::read(text.as_bytes());
        read(a)?.plus(read(b)?)?.text()
    }

    #[test]
    fn sums_have_the_noise_that_redis_prints() {
        for (a, b, expected) in [
            ("1000", "0.1", "1000.09999999999999998"),
            ("10.50", "0.1", "10.6"),
            ("5.0e3", "2.0e2", "5200"),
            ("3", "-3", "0"),
            ("-0", "-0", "0"),
            ("0.1", "0.2", "0.3"),
            ("1", "1e-18", "1"),
            ("-1.5", "+.25", "-1.25"),
            ("7.", "0", "7"),
            ("18446744073709551615", "1", "18446744073709551616"),
            ("18446744073709551616", "1", "18446744073709551616"),
            ("18446744073709551616", "3", "18446744073709551620"),
        ] {
            assert_eq!(sum(a, b).as_deref(), Some(expected), "{a} + {b}");
        }
    }

    #[test]
    fn what_is_no_number_or_cannot_be_told_is_refused() {
        for text in [
            "",
            "x",
            " 1",
            "1 ",
            "1e",
            "e1",
            ".",
            "-",
            "nan",
            "1e5000",
            "1e-5000",
            "1e99999999999",
            "1.2.3",
            "0x1p3",
            "--1",
        ] {
            assert_eq!(Extended::read(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(Extended::read(&[b'1'; LONGEST + 1]), None);
        assert_eq!(sum("inf", "-inf"), None);
        assert_eq!(sum("1e4932", "1e4932"), None, "infinite");
        assert_eq!(sum("0e999999", "1").as_deref(), Some("1"));
    }
}
