//! Short bytes in one allocation.

use bytes::Bytes;

/// What lies before the bytes of [`Short`]: the count of owners and how to end them, two words, and the
/// length.
const BEFORE: usize = 17;

/// Copies bytes so that their owners share one allocation.
///
/// [`Bytes::copy_from_slice`] takes one for the bytes and, when they are first cloned, a second one for
/// the count of owners; a key and a value are cloned at once, on their way into L1 and to those who
/// asked. Up to 175 bytes, rounded up to what allocators hand out, lie behind their count here. Longer
/// ones are copied as usual: the second allocation is small beside the first.
#[must_use]
pub fn compact(bytes: &[u8]) -> Bytes {
    match bytes.len() {
        0 => Bytes::new(),
        1..=15 => Short::<{ 32 - BEFORE }>::of(bytes),
        16..=31 => Short::<{ 48 - BEFORE }>::of(bytes),
        32..=47 => Short::<{ 64 - BEFORE }>::of(bytes),
        48..=63 => Short::<{ 80 - BEFORE }>::of(bytes),
        64..=79 => Short::<{ 96 - BEFORE }>::of(bytes),
        80..=95 => Short::<{ 112 - BEFORE }>::of(bytes),
        96..=111 => Short::<{ 128 - BEFORE }>::of(bytes),
        112..=143 => Short::<{ 160 - BEFORE }>::of(bytes),
        144..=175 => Short::<{ 192 - BEFORE }>::of(bytes),
        _ => Bytes::copy_from_slice(bytes),
    }
}

/// At most `N` bytes.
struct Short<const N: usize> {
    length: u8,
    bytes: [u8; N],
}

impl<const N: usize> Short<N> {
    fn of(bytes: &[u8]) -> Bytes {
        let mut short = Self {
            length: u8::try_from(bytes.len()).unwrap_or(u8::MAX),
            bytes: [0; N],
        };
        short.bytes[..bytes.len()].copy_from_slice(bytes);
        Bytes::from_owner(short)
    }
}

impl<const N: usize> AsRef<[u8]> for Short<N> {
    fn as_ref(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_every_length_are_what_they_were_and_outlive_their_first_owner() {
        let all: Vec<u8> = (0..=255).chain(0..=255).collect();
        for length in 0..all.len() {
            let first = compact(&all[..length]);
            let second = first.clone();
            drop(first);
            assert_eq!(second, all[..length], "{length} bytes");
            assert_eq!(second.slice(length / 2..), all[length / 2..length]);
        }
    }
}
