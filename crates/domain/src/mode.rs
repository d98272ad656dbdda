//! Modes and roll-out: who is warmed, decided per pair by a stable hash.

use std::fmt;
use std::str::FromStr;

use crate::chain::ChainId;
use crate::key::Key;

/// What Forewarm does with what it has learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Mode {
    /// Neither learns nor warms.
    Off,
    /// Learns, selects and accounts; no L2 read and no L1 write.
    Shadow,
    /// Warms.
    #[default]
    On,
}

impl Mode {
    /// The value of the gauge `arbitrage_warming_mode`.
    pub const fn as_gauge(self) -> f64 {
        match self {
            Self::Off => 0.0,
            Self::Shadow => 1.0,
            Self::On => 2.0,
        }
    }

    /// The name used in configuration and over HTTP.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Shadow => "shadow",
            Self::On => "on",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text is not a mode.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown mode {0:?}, expected off, shadow or on")]
pub struct UnknownMode(pub String);

impl FromStr for Mode {
    type Err = UnknownMode;
    fn from_str(text: &str) -> Result<Self, UnknownMode> {
        [Self::Off, Self::Shadow, Self::On]
            .into_iter()
            .find(|m| m.name() == text)
            .ok_or_else(|| UnknownMode(text.to_owned()))
    }
}

/// One chain's setting: the mode of the share of pairs inside `percent`; the rest run in
/// shadow (or off when the mode is off), so that both sides are measured alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainMode {
    /// The mode of the pairs inside the percentage.
    pub mode: Mode,
    /// 0 to 100: the share of pairs for which `mode` holds.
    pub percent: u8,
}

impl ChainMode {
    /// `mode` for every pair.
    pub const fn everywhere(mode: Mode) -> Self {
        Self { mode, percent: 100 }
    }
}

/// The modes in force: a default and per-chain exceptions.
///
/// A pair stays on its side of a percentage for ever: the side is a hash of the key alone,
/// so growing 10 % to 20 % only adds pairs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rollout {
    /// For chains without a setting of their own.
    pub default: ChainMode,
    /// Exceptions.
    pub chains: Vec<(ChainId, ChainMode)>,
}

impl Rollout {
    /// The same mode everywhere.
    pub const fn everywhere(mode: Mode) -> Self {
        Self {
            default: ChainMode::everywhere(mode),
            chains: Vec::new(),
        }
    }

    /// The setting of `chain`.
    pub fn chain(&self, chain: ChainId) -> ChainMode {
        self.chains
            .iter()
            .find(|(id, _)| *id == chain)
            .map_or(self.default, |(_, mode)| *mode)
    }

    /// Replaces the setting of one chain, or with `None` the default and every exception.
    pub fn set(&mut self, chain: Option<ChainId>, setting: ChainMode) {
        match chain {
            None => {
                *self = Self {
                    default: setting,
                    chains: Vec::new(),
                }
            }
            Some(id) => {
                self.chains.retain(|(c, _)| *c != id);
                self.chains.push((id, setting));
            }
        }
    }

    /// The mode that holds for `key`.
    pub fn mode(&self, key: &Key) -> Mode {
        let ChainMode { mode, percent } = self.chain(key.chain());
        match mode {
            Mode::On if bucket(key) >= percent => Mode::Shadow,
            mode => mode,
        }
    }
}

/// The key's place in 0..100, by FNV-1a, whose definition will not change under us.
fn bucket(key: &Key) -> u8 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in key
        .database()
        .to_le_bytes()
        .iter()
        .chain(key.bytes().iter())
    {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // FNV's low bits are its weak ones: fold before the remainder.
    (((hash >> 32) ^ hash) % 100) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u32) -> Key {
        Key::new(format!("price:eth:{n}"), 0, ChainId::DEFAULT)
    }

    fn with_percent(percent: u8) -> Rollout {
        let mut rollout = Rollout::everywhere(Mode::Off);
        let setting = ChainMode {
            mode: Mode::On,
            percent,
        };
        rollout.set(Some(ChainId::DEFAULT), setting);
        rollout
    }

    #[test]
    fn a_percentage_takes_about_its_share_and_only_grows() {
        for percent in [0_u8, 1, 10, 50, 99, 100] {
            let rollout = with_percent(percent);
            let on = (0..10_000)
                .filter(|n| rollout.mode(&key(*n)) == Mode::On)
                .count();
            assert!(
                on.abs_diff(usize::from(percent) * 100) < 250,
                "{percent} % gave {on}"
            );
        }
        let (small, large) = (with_percent(10), with_percent(20));
        for n in 0..1_000 {
            if small.mode(&key(n)) == Mode::On {
                assert_eq!(large.mode(&key(n)), Mode::On, "pair {n} changed sides");
            }
        }
    }

    #[test]
    fn a_setting_for_all_clears_the_exceptions() {
        let mut rollout = with_percent(100);
        rollout.set(None, ChainMode::everywhere(Mode::Shadow));
        assert_eq!(rollout.mode(&key(1)), Mode::Shadow);
    }

    #[test]
    fn modes_parse_by_the_names_they_print() {
        for mode in [Mode::Off, Mode::Shadow, Mode::On] {
            assert_eq!(mode.to_string().parse(), Ok(mode));
        }
        assert!("loud".parse::<Mode>().is_err());
    }
}
