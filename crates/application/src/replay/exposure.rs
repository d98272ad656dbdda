//! What warming has put at risk: keys that the run without warming holds and this one lacks.
//! Each may cost a demand read that would not have been made.

#[derive(Debug, Default)]
pub(super) struct Exposure {
    /// Keys that `off` holds fresh, and we do not and have not sent for.
    pub(super) lacking: usize,
    /// Whether `off` let go of a key since this was last set to `false`.
    pub(super) released: bool,
    off: Vec<bool>,
    own: Vec<bool>,
}

impl Exposure {
    pub(super) fn new(keys: usize) -> Self {
        let mut exposure = Self::default();
        exposure.make_room(keys);
        exposure
    }

    /// Room for the numbers below `keys`.
    pub(super) fn make_room(&mut self, keys: usize) {
        if keys > self.own.len() {
            self.off.resize(keys, false);
            self.own.resize(keys, false);
        }
    }

    /// What we hold now; whether that is news.
    pub(super) fn note(&mut self, key: u32, held: bool) -> bool {
        let news = self.own[key as usize] != held;
        self.change(key, |exposure| exposure.own[key as usize] = held);
        news
    }

    /// Whether `off` holds the key.
    pub(super) fn off_holds(&self, key: u32) -> bool {
        self.off[key as usize]
    }

    /// What `off` held after the line being played.
    pub(super) fn follow(&mut self, changes: &[(u32, bool)]) {
        for &(key, held) in changes {
            self.released |= !held;
            self.change(key, |exposure| exposure.off[key as usize] = held);
        }
    }

    /// The number will be another key's, which nobody holds.
    pub(super) fn forget(&mut self, key: u32) {
        self.released = true;
        self.change(key, |exposure| {
            exposure.own[key as usize] = false;
            exposure.off[key as usize] = false;
        });
    }

    fn change(&mut self, key: u32, change: impl FnOnce(&mut Self)) {
        let lacks = |exposure: &Self| exposure.off[key as usize] && !exposure.own[key as usize];
        let before = lacks(self);
        change(self);
        self.lacking = self.lacking + usize::from(lacks(self)) - usize::from(before);
    }
}
