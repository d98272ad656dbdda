//! Numbers in a byte or two: the upper bits of an `f32`, which are in the order of the numbers.

/// A number from 2⁻⁴⁰ to 2²⁴ in two bytes, to a two-thousandth: the upper bits of an `f32` above the
/// exponent of 2⁻⁴⁰. Smaller ones, and zero, are 2⁻⁴⁰.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Short(pub(crate) u16);

/// The bits of an `f32` that are dropped.
pub(crate) const DROPPED: u32 = 13;
/// The bits of 2⁻⁴⁰.
pub(crate) const SMALLEST: u32 = (127 - 40) << 23;

impl Short {
    /// The smallest.
    pub(crate) const ZERO: Self = Self(0);

    /// The nearest to `value`.
    #[inline]
    pub(crate) fn of(value: f32) -> Self {
        // Numbers that are not negative are in the order of their bits.
        let largest = SMALLEST + (u32::from(u16::MAX) << DROPPED);
        let rounded = (value.to_bits() as i32).saturating_add(1 << (DROPPED - 1));
        let bits = rounded.clamp(SMALLEST as i32, largest as i32) as u32;
        Self(((bits - SMALLEST) >> DROPPED) as u16)
    }

    /// It, as a usual number.
    #[inline]
    pub(crate) fn get(self) -> f32 {
        f32::from_bits((u32::from(self.0) << DROPPED) + SMALLEST)
    }
}

/// A number from 2⁻¹⁰ to 2²² in one byte, eight steps a doubling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Octave(pub(crate) u8);

impl Octave {
    /// The bits of an `f32` that are dropped, and those of 2⁻¹⁰.
    const DROPPED: u32 = 20;
    const SMALLEST: u32 = (127 - 10) << 23;

    /// Rounded up if `dither`, of 256, is more than what is missing: so that a mean moves even where a
    /// step is more than it should move by.
    pub(crate) fn of(value: f32, dither: u32) -> Self {
        let largest = Self::SMALLEST + (255 << Self::DROPPED);
        let bits = (value.to_bits() as i32).saturating_add((dither << (Self::DROPPED - 8)) as i32);
        let bits = bits.clamp(Self::SMALLEST as i32, largest as i32) as u32;
        Self(((bits - Self::SMALLEST) >> Self::DROPPED) as u8)
    }

    /// Zero is zero.
    pub(crate) fn get(self) -> f32 {
        if self.0 == 0 {
            return 0.0;
        }
        f32::from_bits((u32::from(self.0) << Self::DROPPED) + Self::SMALLEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_octave_is_its_number_to_a_twelfth(exponent in -9.8_f32..21.8, dither in 0_u32..256) {
            let value = exponent.exp2();
            let error = Octave::of(value, dither).get() / value - 1.0;
            prop_assert!(error.abs() < 0.126, "{} {}", value, error);
            let error = Octave::of(value, 128).get() / value - 1.0;
            prop_assert!(error.abs() < 0.07, "{} {}", value, error);
        }

        #[test]
        fn a_short_is_its_number_to_a_two_thousandth(exponent in -39.9_f32..23.9) {
            let value = exponent.exp2();
            let error = Short::of(value).get() / value - 1.0;
            prop_assert!(error.abs() < 1.0 / 2_000.0, "{} {}", value, error);
        }
    }

    #[test]
    fn a_short_has_bounds() {
        for small in [0.0, -1.0, 1e-20] {
            assert!(Short::of(small).get() < 1e-12, "{small}");
        }
        for large in [2e7, 1e30, f32::INFINITY] {
            assert!(Short::of(large).get() > 1.6e7, "{large}");
        }
    }
}
