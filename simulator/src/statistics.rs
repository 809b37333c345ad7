//! What worlds went through, so that a sweep that saw nothing shows it.

use std::cell::RefCell;
use std::collections::BTreeMap;

/// Counts by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(pub BTreeMap<&'static str, u64>);

impl Counts {
    pub fn add(&mut self, what: &'static str, count: u64) {
        *self.0.entry(what).or_default() += count;
    }

    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(what, count)| self.add(what, *count));
    }

    pub fn of(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or_default()
    }
}

#[derive(Default)]
pub struct Statistics(RefCell<Counts>);

impl Statistics {
    pub fn count(&self, what: &'static str) {
        self.0.borrow_mut().add(what, 1);
    }

    /// `why` names the point in a call's life.
    pub fn host_died(&self, why: &'static str) {
        self.count(why);
    }

    pub fn counts(&self) -> Counts {
        self.0.borrow().clone()
    }
}
