//! Who pays: the plan first, then the top-up; what neither covers puts the plan over its budget.
//!
//! The split follows from the sums alone, never from the order in which they came about: a credit undoes what the
//! last charge did, first what nobody covered, then what the top-up paid, then what the plan paid. What the top-up
//! paid in earlier periods comes after that, and only then is a credit more plan money for the present period.

use super::state::{Head, Period};
use crate::money::NanoEur;
use crate::time::Timestamp;

impl Period {
    /// What the top-up paid of this period's charges. Below zero, what credits of this period gave back to it of
    /// earlier ones.
    pub(super) fn paid_by_top_up(&self) -> NanoEur {
        self.charged.saturating_sub(self.plan_used)
    }

    /// What the plan may still pay. Below zero: what nobody covered.
    fn plan_room(&self) -> i64 {
        self.plan_ceiling.get() - self.taken_elsewhere.get() - self.plan_used.get() - self.plan_reserved.get()
    }

    /// The budget changed. What the plan has paid by now stays paid by it.
    pub(super) fn limit_plan(&mut self, budget: NanoEur) {
        let taken = self.taken().saturating_add(self.taken_elsewhere);
        self.plan_ceiling = budget.max(self.plan_ceiling.min(taken));
    }
}

impl Head {
    /// Counts a charge, or gives it back, in the period that began then: `top_up` of it paid by the top-up, as far
    /// as is known by now.
    pub(super) fn post(&mut self, opened_at: Timestamp, cost: NanoEur, top_up: NanoEur) {
        let Some(at) = self.periods.iter().rposition(|period| period.opened_at == opened_at) else { return };
        self.top_up = self.top_up.saturating_sub(top_up);
        let period = &mut self.periods[at];
        period.charged = period.charged.saturating_add(cost);
        period.plan_used = period.plan_used.saturating_add(cost.saturating_sub(top_up));
        if at + 1 < self.periods.len() {
            self.paid_before = self.paid_before.saturating_add(top_up);
            self.give_back_of_earlier(at);
        }
        self.share_out();
    }

    /// Shares the present period's charges out. What is free for calls stays the same.
    pub(super) fn share_out(&mut self) {
        let free = self.top_up.get() - self.top_up_reserved.get();
        let paid_before = self.paid_before.get();
        let Some(period) = self.periods.last_mut() else { return };
        let (charged, paid) = (period.charged.get(), period.paid_by_top_up().get());
        // The plan pays no more than it may, and takes no credit that is the top-up's.
        let beyond_plan = paid - period.plan_room();
        let must_pay = beyond_plan.max(charged.min(0)).max(-paid_before).min(paid + free.max(0));
        period.plan_used = NanoEur::saturating(charged - must_pay);
        self.top_up = NanoEur::saturating(self.top_up.get() + paid - must_pay);
    }

    /// In a period that is over the top-up only gets back what it paid and the plan has room for again.
    fn give_back_of_earlier(&mut self, at: usize) {
        let period = &mut self.periods[at];
        let paid = period.paid_by_top_up().at_least_zero();
        let back = NanoEur::saturating(period.plan_room().clamp(0, paid.get()));
        period.plan_used = period.plan_used.saturating_add(back);
        self.top_up = self.top_up.saturating_add(back);
        self.paid_before = self.paid_before.saturating_sub(back);
    }

    /// Refunds that what lies in the top-up pays: nobody can spend it.
    pub(super) fn owed(&self) -> NanoEur {
        self.debt.min(self.top_up.saturating_sub(self.top_up_reserved).at_least_zero())
    }

    pub(super) fn top_up_free(&self) -> NanoEur {
        self.top_up.saturating_sub(self.top_up_reserved).saturating_sub(self.owed())
    }
}
