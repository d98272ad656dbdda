//! What warming has put at risk: keys that the run without warming holds and this one lacks.
//! Each may cost a demand read that would not have been made.

use super::run::OffSeries;

#[derive(Debug)]
pub(super) struct Exposure {
    /// The line being played.
    pub(super) line: u32,
    /// Keys that `off` holds fresh, and we do not and have not sent for.
    pub(super) lacking: usize,
    off: Vec<bool>,
    own: Vec<bool>,
    /// Changes of `off` already followed.
    followed: usize,
}

impl Exposure {
    pub(super) fn new(keys: usize) -> Self {
        Self {
            line: 0,
            lacking: 0,
            off: vec![false; keys],
            own: vec![false; keys],
            followed: 0,
        }
    }

    /// In the run without warming: writes down what changed.
    pub(super) fn log(&mut self, key: u32, held: bool, series: &mut OffSeries) {
        if self.own[key as usize] != held {
            series.changes.push((self.line, key, held));
            self.note(key, held);
        }
    }

    /// In the others: what they hold now.
    pub(super) fn note(&mut self, key: u32, held: bool) {
        self.change(key, |exposure| exposure.own[key as usize] = held);
    }

    /// Whether `off` holds the key.
    pub(super) fn off_holds(&self, key: u32) -> bool {
        self.off[key as usize]
    }

    /// What `off` held after the line being played.
    pub(super) fn follow(&mut self, series: &OffSeries) {
        while let Some(&(line, key, held)) = series.changes.get(self.followed)
            && line <= self.line
        {
            self.followed += 1;
            self.change(key, |exposure| exposure.off[key as usize] = held);
        }
    }

    fn change(&mut self, key: u32, change: impl FnOnce(&mut Self)) {
        let lacks = |exposure: &Self| exposure.off[key as usize] && !exposure.own[key as usize];
        let before = lacks(self);
        change(self);
        self.lacking = self.lacking + usize::from(lacks(self)) - usize::from(before);
    }
}
