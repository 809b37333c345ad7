//! Every row that an account has told, and the sums that must follow from them.

use crate::checks::books::cost;
use crate::checks::view::equal;
use domain::account::{Command, Event, Head, Hold, OPERATION_MEMORY, Reply, RowKind, UsageRow};
use domain::identity::RequestId;
use domain::notice::Notice;
use domain::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Default)]
pub struct Receipts {
    calls: BTreeMap<RequestId, CallReceipt>,
    /// Reports, top-ups and adjustments, and until when their ids are known.
    operations: BTreeMap<RequestId, Timestamp>,
    /// All top-ups, each counted once.
    granted: i64,
    /// All refunds likewise.
    refunded: i64,
    periods: BTreeMap<Timestamp, Sums>,
    /// By request and kind.
    rows: BTreeMap<(RequestId, &'static str), UsageRow>,
    /// Charged by key and period.
    keys: BTreeMap<(String, Timestamp), i64>,
    /// Charged of the tenant's money, by calls and in the tenant's periods.
    leased: BTreeMap<Timestamp, i64>,
    /// What adjustments gave back, and when.
    credits: Vec<(Timestamp, i64)>,
    /// By whose, which key's, share and period.
    notices: BTreeMap<(&'static str, Option<String>, u8, Timestamp), Notice>,
}

struct CallReceipt {
    hold: Hold,
    charged: i64,
    overrun: i64,
}

#[derive(Default)]
struct Sums {
    /// Of the rows.
    charged: i64,
    /// As the account last said before it forgot the period.
    plan_used: i64,
    forgotten: bool,
}

impl Receipts {
    pub fn opened(&mut self, id: RequestId, hold: &Hold) {
        self.calls.insert(id, CallReceipt { hold: hold.clone(), charged: 0, overrun: 0 });
    }

    /// An operation took effect, unless its id is known.
    pub fn operation(&mut self, command: &Command, reply: &Reply, now: Timestamp) {
        if matches!(reply, Reply::Refused(_)) {
            return;
        }
        let (id, grant, refund) = match command {
            Command::TopUp(top_up) => (top_up.operation_id, top_up.amount.get().max(0), 0),
            Command::Refund(refund) => (refund.operation_id, 0, refund.amount.get().max(0)),
            Command::Report(report) => (report.operation_id, 0, 0),
            Command::Adjust(adjust) => (adjust.operation_id, 0, 0),
            _ => return,
        };
        if self.operations.get(&id).is_none_or(|until| *until <= now) {
            self.operations.insert(id, now.plus(OPERATION_MEMORY));
            self.granted += grant;
            self.refunded += refund;
        }
    }

    /// Takes one event of a step that was asked this.
    pub fn take(&mut self, event: &Event, command: &Command) -> Result<(), String> {
        match event {
            Event::Usage(row) => self.take_row((**row).clone(), command),
            Event::Notice(notice) => {
                let of = notice.key.as_ref().map(|key| key.id.clone());
                let key = (notice.source.as_str(), of, notice.percent, notice.period_opened_at);
                if self.notices.insert(key, (**notice).clone()).is_some() {
                    return Err(format!("the notice of {} per cent was raised twice", notice.percent));
                }
                Ok(())
            }
            Event::Pool(..) => Ok(()),
        }
    }

    fn take_row(&mut self, row: UsageRow, command: &Command) -> Result<(), String> {
        match row.kind {
            RowKind::Call => self.check_call(&row)?,
            // What a report's hold did not cover.
            RowKind::Correction if matches!(command, Command::Report(_)) => {}
            RowKind::Correction => self.check_correction(&row, command)?,
            RowKind::Report | RowKind::Adjustment => {}
        }
        let cost = row.cost.get();
        self.periods.entry(row.period_opened_at).or_default().charged += cost;
        if let Some(key) = &row.key_id {
            *self.keys.entry((key.clone(), row.period_opened_at)).or_default() += cost;
        }
        if let Some(period) = self.leased_in(row.request_id) {
            *self.leased.entry(period).or_default() += cost;
        }
        if row.kind == RowKind::Adjustment && cost < 0 {
            self.credits.push((row.at, -cost));
        }
        let (id, kind) = (row.request_id, row.kind.as_str());
        match self.rows.insert((id, kind), row) {
            Some(_) => Err(format!("a second {kind} row was told for {id}")),
            None => Ok(()),
        }
    }

    /// A hold covered so much of the report that ended it: leased like a call's.
    pub fn take_covered(&mut self, hold: &Hold, covered: i64) {
        if let Some(period) = hold.tenant_opened_at {
            *self.leased.entry(period).or_default() += covered;
        }
    }

    fn check_call(&mut self, row: &UsageRow) -> Result<(), String> {
        let id = row.request_id;
        let call =
            self.calls.get_mut(&id).ok_or_else(|| format!("a row was told for {id}, which has no hold"))?;
        check_period(row, &call.hold)?;
        let amount = call.hold.amount().get();
        let price = cost(&call.hold.tariff, &row.usage).unwrap_or(amount);
        equal("a call's cost", row.cost.get(), price.min(amount))?;
        equal("a call's overrun", row.overrun.get(), (price - amount).max(0))?;
        call.charged += row.cost.get();
        call.overrun += row.overrun.get();
        Ok(())
    }

    /// Down always; up only within the hold and what is free.
    fn check_correction(&mut self, row: &UsageRow, command: &Command) -> Result<(), String> {
        let id = row.request_id;
        let call = self.calls.get_mut(&id).ok_or_else(|| format!("{id} is corrected, but has no hold"))?;
        check_period(row, &call.hold)?;
        let amount = call.hold.amount().get();
        let price = cost(&call.hold.tariff, &row.usage).unwrap_or(amount);
        let (low, high) = (call.charged.min(price.min(amount)), price.min(amount));
        call.charged += row.cost.get();
        call.overrun += row.overrun.get();
        if call.charged < low || call.charged > high {
            return Err(format!("{id} is corrected to {}, not to within {low} and {high}", call.charged));
        }
        // What is not charged was not paid, whether it exceeds the hold or the money.
        equal("a corrected call's overrun", call.overrun, price - call.charged)?;
        if matches!(command, Command::Release(_)) {
            equal("the charge of a released call", call.charged, 0)?;
        }
        Ok(())
    }

    /// The counters follow from the rows, and no top-up is lost or made.
    pub fn check_head(&mut self, head: &Head) -> Result<(), String> {
        for period in &head.periods {
            let sums = self.periods.entry(period.opened_at).or_default();
            sums.plan_used = period.plan_used.get();
            equal("a period's charged, by its rows,", period.charged.get(), sums.charged)?;
        }
        self.follow_forgotten(head)?;
        let from_top_up: i64 = self.periods.values().map(|sums| sums.charged - sums.plan_used).sum();
        let left = self.granted - self.refunded - from_top_up;
        equal("the top-up that is left, less the debt,", head.top_up.get() - head.debt.get(), left)?;
        self.check_who_pays(head)?;
        if head.top_up < head.top_up_reserved {
            return Err("more of the top-up is reserved than there is".into());
        }
        Ok(())
    }

    /// The plan pays first and no credit stays with it that is the top-up's.
    fn check_who_pays(&self, head: &Head) -> Result<(), String> {
        let Some(period) = head.periods.last() else { return Ok(()) };
        let by_top_up = period.charged.get() - period.plan_used.get();
        let taken = period.taken_elsewhere.get() + period.plan_used.get() + period.plan_reserved.get();
        let room = period.plan_ceiling.get() - taken;
        let free = head.top_up.get() - head.top_up_reserved.get();
        if by_top_up > 0 && room > 0 {
            return Err(format!("the top-up paid {by_top_up}, though the plan has {room} left"));
        }
        if room < 0 && free > 0 {
            return Err(format!("{} are not covered, though {free} of the top-up are free", -room));
        }
        // Without room a credit pays what is reserved.
        if period.plan_used.get() < 0 && room > 0 && head.paid_before.get() + by_top_up > 0 {
            return Err("a credit stays with the plan, though the top-up had paid".into());
        }
        Ok(())
    }

    /// What the top-up paid of earlier periods is what they said of it. Only of one that was forgotten in the step in
    /// which its last hold ended may more have been paid, or less, than was seen.
    fn follow_forgotten(&mut self, head: &Head) -> Result<(), String> {
        let Some(present) = head.periods.last().map(|period| period.opened_at) else { return Ok(()) };
        let earlier = self.periods.iter().filter(|(at, _)| **at != present);
        let seen: i64 = earlier.map(|(_, sums)| sums.charged - sums.plan_used).sum();
        let unseen = head.paid_before.get() - seen;
        let known: BTreeSet<Timestamp> = head.periods.iter().map(|period| period.opened_at).collect();
        let gone = self.periods.iter_mut().filter(|(at, sums)| !known.contains(at) && !sums.forgotten);
        let mut gone: Vec<&mut Sums> = gone.map(|(_, sums)| sums).collect();
        gone.iter_mut().for_each(|sums| sums.forgotten = true);
        match gone.pop() {
            Some(last) => {
                last.plan_used -= unseen;
                Ok(())
            }
            None => equal("what the top-up paid of earlier periods", unseen, 0),
        }
    }

    /// What was told of a call: its row and its correction.
    pub fn of_call(&self, id: RequestId) -> (Option<&UsageRow>, Option<&UsageRow>) {
        (self.rows.get(&(id, "call")), self.rows.get(&(id, "correction")))
    }

    /// The tenant's period that a call was leased in.
    pub fn leased_in(&self, id: RequestId) -> Option<Timestamp> {
        self.calls.get(&id)?.hold.tenant_opened_at
    }

    pub fn of_key(&self, key: &str, period: Timestamp) -> i64 {
        self.keys.get(&(key.to_owned(), period)).copied().unwrap_or_default()
    }

    /// What calls were charged in a tenant's period.
    pub fn of_tenant_period(&self, opened_at: Timestamp) -> i64 {
        self.leased.get(&opened_at).copied().unwrap_or_default()
    }

    pub fn credits_since(&self, since: Timestamp) -> i64 {
        self.credits.iter().filter(|(at, _)| *at >= since).map(|(_, amount)| amount).sum()
    }

    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.values()
    }

    pub fn charged(&self, id: RequestId) -> i64 {
        self.calls.get(&id).map_or(0, |call| call.charged)
    }

    pub fn rows(&self) -> &BTreeMap<(RequestId, &'static str), UsageRow> {
        &self.rows
    }
}

fn check_period(row: &UsageRow, hold: &Hold) -> Result<(), String> {
    if row.period_opened_at == hold.period_opened_at {
        return Ok(());
    }
    Err(format!("the row of {} counts in another period than its hold", row.request_id))
}
