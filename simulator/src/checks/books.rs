//! What must be true of an account after every stored step. These books are kept from what is on disk
//! and from what was asked, never from what the account says of itself.

use crate::checks::levels::{Levels, ended_by, key_free, meter_of, worst_case};
use crate::checks::receipts::Receipts;
use crate::checks::view::{View, equal};
use crate::hosts::rows::Rows;
use crate::trace::fnv;
use domain::account::{
    Account, BudgetRefusal, Command, Event, HOLD_TTL, HOLD_TTL_MAX, Hold, Key, LimitSource, Refusal, Reply,
    Reserve,
};
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::notice::{THRESHOLDS, percent};
use domain::price::{Tariff, Usage};
use domain::time::Timestamp;
use platform::resident::decode;
use std::collections::BTreeSet;

/// Longest text of a command or reply in a trace.
const TOLD_BYTES_MAX: usize = 160;

#[derive(Default)]
pub struct Books {
    view: View<Account>,
    /// Every call that ever had a hold, or was ended before it could have one.
    ended: BTreeSet<RequestId>,
    opened: BTreeSet<RequestId>,
    pub receipts: Receipts,
    pub levels: Levels,
    last: (Vec<u8>, Vec<u8>),
}

/// One step: what it was asked, when, and what it made of what.
pub struct Step<'a> {
    pub command: &'a Command,
    pub reply: &'a Reply,
    /// The time as the account counts it, which never runs backwards.
    pub now: Timestamp,
    pub before: &'a View<Account>,
}

impl<'a> Step<'a> {
    /// The open hold that a report ended.
    pub fn reported_hold(&self) -> Option<&'a Hold> {
        let (Command::Report(report), Reply::Settled(_)) = (self.command, self.reply) else { return None };
        let hold = self.before.hold(report.hold?)?;
        Some(hold).filter(|hold| hold.of_amount && hold.deadline > self.now)
    }
}

impl Books {
    /// Reads what a step stored and checks it.
    pub fn witness(
        &mut self,
        command: &[u8],
        reply: &[u8],
        rows: &Rows,
        now: Timestamp,
    ) -> Result<(), String> {
        self.last = (command.to_vec(), reply.to_vec());
        let asked: Command = decode(command).map_err(|error| error.to_string())?;
        let answered: Reply = decode(reply).map_err(|error| error.to_string())?;
        let before = self.view.clone();
        let events = self.view.update(rows)?;
        let now = before.head.clocks.tick(before.head.last_seen, now).now;
        let step = Step { command: &asked, reply: &answered, now, before: &before };
        if before.configuration().is_some() {
            self.receipts.operation(&asked, &answered, step.now);
        }
        self.check_holds(&step, &events)?;
        for event in &events {
            self.receipts.take(event, &asked)?;
        }
        if let Some(hold) = step.reported_hold() {
            self.receipts.take_covered(hold, check_report(&step, hold, &events)?);
        }
        self.view.check_counters()?;
        self.levels.check(&step, &self.view, &self.receipts, &events)?;
        self.check_notices(&step, &events)?;
        self.receipts.check_head(&self.view.head)?;
        self.check_refusal(&step)?;
        self.check_late_settlement(&step)?;
        self.check_that_calls_stay_within(&step)
    }

    pub fn has_held(&self, id: RequestId) -> bool {
        self.opened.contains(&id)
    }

    pub fn view(&self) -> &View<Account> {
        &self.view
    }

    /// Whose limit refused the last step, for the statistics.
    pub fn refused(&self) -> Option<&'static str> {
        match decode::<Reply>(&self.last.1).ok()? {
            Reply::Refused(Refusal::Budget(refusal)) => Some(match refusal.figures.source {
                LimitSource::Key => "refused: key's budget",
                LimitSource::User => "refused: user's budget",
                LimitSource::Tenant => "refused: tenant's budget",
            }),
            Reply::Refused(Refusal::Rate(refusal)) => Some(match refusal.source {
                LimitSource::Key => "refused: key's rates",
                LimitSource::User => "refused: user's rates",
                LimitSource::Tenant => "refused: tenant's rates",
            }),
            Reply::Refused(Refusal::TooManyHolds(_)) => Some("refused: concurrency"),
            _ => None,
        }
    }

    /// Differs if what was asked, answered or stored differs.
    pub fn fingerprint(&self) -> u64 {
        fnv(fnv(fnv(0, &self.last.0), &self.last.1), self.view.head_bytes())
    }

    /// The last step, for a trace.
    pub fn told(&self) -> String {
        let command = decode::<Command>(&self.last.0).map(|command| asked(&command));
        let reply = decode::<Reply>(&self.last.1).map(|reply| format!("{reply:?}"));
        let period = self.view.head.periods.last();
        let sums = period.map(|period| (period.charged.get(), period.plan_reserved.get()));
        format!("{} -> {} {sums:?}", cut(command.unwrap_or_default()), cut(reply.unwrap_or_default()))
    }

    /// Every hold opens once, stays as it is, and ends for a reason.
    fn check_holds(&mut self, step: &Step<'_>, events: &[Event]) -> Result<(), String> {
        for (id, hold) in self.view.holds() {
            match step.before.hold(id) {
                Some(old) => check_kept(step, id, old, hold)?,
                None => {
                    let Command::Reserve(reserve) = step.command else {
                        return Err(format!("a hold appeared for {id} without a reserve"));
                    };
                    check_opened(step, id, hold, reserve, &self.view)?;
                    self.levels.admitted(step, reserve, hold, &self.view)?;
                    if self.ended.contains(&id) || !self.opened.insert(id) {
                        return Err(format!("a second hold was opened for {id}, whose call had ended"));
                    }
                    self.receipts.opened(id, hold);
                }
            }
            if hold.deadline <= step.now {
                return Err(format!("the hold of {id} outlives its deadline by this step"));
            }
        }
        for (id, hold) in step.before.holds().filter(|(id, _)| self.view.hold(*id).is_none()) {
            check_end(step, id, hold, events)?;
            self.ended.insert(id);
        }
        if let (Command::Release(release), Reply::Settled(_)) = (step.command, step.reply) {
            self.ended.insert(release.request_id);
        }
        Ok(())
    }

    /// Refused for what a level has, only where that level does not have it.
    fn check_refusal(&self, step: &Step<'_>) -> Result<(), String> {
        let (Command::Reserve(reserve), Reply::Refused(refusal)) = (step.command, step.reply) else {
            return Ok(());
        };
        match refusal {
            Refusal::Budget(refusal) => self.check_budget_refusal(reserve, refusal),
            Refusal::TooManyHolds(max) if self.view.head.open_holds < *max => {
                Err(format!("refused, though {} of {max} calls are open", self.view.head.open_holds))
            }
            _ => Ok(()),
        }
    }

    fn check_budget_refusal(&self, reserve: &Reserve, refusal: &BudgetRefusal) -> Result<(), String> {
        let configuration = self.view.configuration();
        let key = configuration
            .and_then(|known| known.keys.iter().find(|key| reserve.key.as_ref() == Some(&key.hash)));
        let free = match refusal.figures.source {
            LimitSource::User => self.view.free(),
            LimitSource::Key => key.and_then(|key| key_free(&self.view, key)),
            LimitSource::Tenant => return Ok(()),
        };
        let Some(free) = free else { return Ok(()) };
        let worst = worst_case(reserve, reserve.worst_case.output, self.view.head.care.permille());
        if worst <= free && free >= 0 {
            return Err(format!("refused, though the worst case of {worst} fits the {free} that are free"));
        }
        Ok(())
    }

    /// P27: what is charged has been told of, and nothing else.
    fn check_notices(&self, step: &Step<'_>, events: &[Event]) -> Result<(), String> {
        for event in events {
            let Event::Notice(notice) = event else { continue };
            let reached = percent(notice.used, notice.limit);
            if notice.percent > reached && !(notice.percent == 100 && matches!(step.reply, Reply::Refused(_)))
            {
                return Err(format!("a notice of {} per cent was raised at {reached}", notice.percent));
            }
        }
        let (Some(configuration), Some(period)) = (
            self.view.configuration().filter(|_| step.before.configuration().is_some()),
            self.view.head.periods.last(),
        ) else {
            return Ok(());
        };
        // Whether more was used or the limit fell.
        let by_top_up = period.charged.get() - period.plan_used.get();
        let top_up = self.view.head.top_up.get() - self.view.owed();
        let limit = NanoEur::saturating(configuration.budget.get() + top_up + by_top_up);
        is_told("the user", percent(period.charged, limit), period.notified)?;
        for key in &configuration.keys {
            let (Some(budget), Some(meter)) = (key.budget, self.view.key_meter(meter_of(key))) else {
                continue;
            };
            if key.expires.is_none_or(|at| step.now < at) {
                is_told(&key.id, percent(meter.used, budget), meter.notified)?;
            }
        }
        Ok(())
    }

    /// What a late settlement does not charge, neither the hold's period nor the top-up had free.
    fn check_late_settlement(&self, step: &Step<'_>) -> Result<(), String> {
        let (Command::Settle(settle), Reply::Settled(_)) = (step.command, step.reply) else { return Ok(()) };
        let Some(hold) = step.before.expired(settle.request_id) else { return Ok(()) };
        let amount = hold.amount().get();
        let wanted = cost(&hold.tariff, &settle.usage).unwrap_or(amount).min(amount);
        let charged = self.receipts.charged(settle.request_id);
        if charged < wanted && self.view.late_money(hold) > 0 {
            return Err(format!("settled late at {charged}, though there was money for more of {wanted}"));
        }
        Ok(())
    }

    /// Only what is no call can take more than there is.
    fn check_that_calls_stay_within(&self, step: &Step<'_>) -> Result<(), String> {
        let is_call = matches!(
            step.command,
            Command::Reserve(_) | Command::Checkpoint(_) | Command::Settle(_) | Command::Release(_)
        );
        let quiet = is_call || matches!(step.command, Command::Inspect | Command::Wake);
        let period = |view: &View<Account>| view.head.periods.last().map(|period| period.opened_at);
        if !quiet || period(step.before) != period(&self.view) {
            return Ok(());
        }
        let (Some(before), Some(after)) = (step.before.free(), self.view.free()) else { return Ok(()) };
        if after < before.min(0) {
            return Err(format!("a call took more than there was: {before} were free, now {after}"));
        }
        Ok(())
    }
}

/// What a hold covers of its report counts in the hold's period, for the hold's tenant; what exceeds it counts now.
/// How much was covered.
fn check_report(step: &Step<'_>, hold: &Hold, events: &[Event]) -> Result<i64, String> {
    let rows = || {
        events.iter().filter_map(|event| match event {
        Event::Usage(row) if matches!(step.command, Command::Report(c) if c.operation_id == row.request_id) => {
            Some(row)
        }
        _ => None,
    })
    };
    let of_hold =
        rows().filter(|row| row.period_opened_at == hold.period_opened_at && row.tenant_id == hold.tenant_id);
    let (of_hold, total): (i64, i64) =
        (of_hold.map(|row| row.cost.get()).sum(), rows().map(|row| row.cost.get()).sum());
    let covered = total.min(hold.amount().get());
    if of_hold != covered && of_hold != total {
        return Err(format!("{of_hold} of {total} are charged where the hold was, which covers {covered}"));
    }
    Ok(covered)
}

fn is_told(whose: &str, reached: u8, notified: u8) -> Result<(), String> {
    let due = THRESHOLDS.into_iter().filter(|threshold| *threshold <= reached).max().unwrap_or(0);
    if notified >= due {
        Ok(())
    } else {
        Err(format!("{reached} per cent are used, {whose} was told of {notified}"))
    }
}

/// P1 and P2: within what is free, for the whole worst case, at the asked output unless a clamp was allowed.
fn check_opened(
    step: &Step<'_>,
    id: RequestId,
    hold: &Hold,
    reserve: &Reserve,
    after: &View<Account>,
) -> Result<(), String> {
    if reserve.request_id != id {
        return Err(format!("the reserve of {} opened a hold for {id}", reserve.request_id));
    }
    if step.now >= reserve.valid_until {
        return Err(format!("an old reserve opened a hold for {id}"));
    }
    let of_key = |key: &Key| key.clamp && reserve.key.as_ref() == Some(&key.hash);
    let may_clamp = reserve.clamp
        || after.configuration().is_some_and(|known| known.clamp || known.keys.iter().any(of_key));
    if hold.output_ceiling > reserve.worst_case.output
        || (!may_clamp && hold.output_ceiling != reserve.worst_case.output)
    {
        return Err(format!("the hold of {id} has another output ceiling than asked"));
    }
    let amount = hold.amount().get();
    let care = after.head.care.permille();
    equal("a hold's amount", amount, worst_case(reserve, hold.output_ceiling, care))?;
    let free = after.free().unwrap_or(i64::MIN);
    if free < 0 {
        return Err(format!("{id} was admitted with {amount}, which is {} more than was free", -free));
    }
    Ok(())
}

/// A hold changes by its checkpoints only, and only upwards.
fn check_kept(step: &Step<'_>, id: RequestId, old: &Hold, new: &Hold) -> Result<(), String> {
    if old == new {
        return Ok(());
    }
    if !matches!(step.command, Command::Checkpoint(checkpoint) if checkpoint.request_id == id) {
        return Err(format!("the hold of {id} was changed by something that is not its checkpoint"));
    }
    if (Hold { so_far: old.so_far, deadline: old.deadline, ..new.clone() }) != *old {
        return Err(format!("a checkpoint changed more of the hold of {id} than it may"));
    }
    if cost(&new.tariff, &new.so_far) < cost(&old.tariff, &old.so_far) {
        return Err(format!("a lower checkpoint replaced a higher one of {id}"));
    }
    let latest = step.now.plus(HOLD_TTL).min(old.opened_at.plus(HOLD_TTL_MAX));
    if new.deadline < old.deadline || new.deadline > latest.max(old.deadline) {
        return Err(format!("a checkpoint moved the deadline of {id} where it may not"));
    }
    Ok(())
}

/// A hold ends by its settlement with one row, by its release with none, or by its deadline with an
/// estimated row.
fn check_end(step: &Step<'_>, id: RequestId, hold: &Hold, events: &[Event]) -> Result<(), String> {
    let rows = events.iter().filter_map(|event| match event {
        Event::Usage(row) if row.request_id == id && row.kind.as_str() == "call" => Some(row),
        _ => None,
    });
    let rows: Vec<_> = rows.collect();
    if hold.of_amount {
        // Its report tells what it cost.
        let by_its_end = hold.deadline <= step.now || ended_by(step.command) == Some(id);
        return match rows.as_slice() {
            [] if by_its_end => Ok(()),
            [_] if matches!(step.command, Command::Settle(_)) => Ok(()),
            _ => Err(format!("the hold of {id}, of a stated amount, did not end as it must")),
        };
    }
    if hold.deadline <= step.now {
        return match rows.as_slice() {
            [row] if row.usage == hold.so_far && row.estimated => Ok(()),
            _ => Err(format!("the expired hold of {id} is not charged at what it had told so far")),
        };
    }
    let expected = match step.command {
        Command::Settle(settle) if settle.request_id == id => 1,
        Command::Release(release) if release.request_id == id => 0,
        _ => return Err(format!("the hold of {id} vanished before its deadline")),
    };
    equal("the number of rows at a hold's end", rows.len() as i64, expected)
}

/// None where it has no price.
pub fn cost(tariff: &Tariff, usage: &Usage) -> Option<i64> {
    tariff.price(usage).ok().map(|price| price.cost.get())
}

/// What calls ask, in short.
fn asked(command: &Command) -> String {
    match command {
        Command::Reserve(reserve) => {
            format!("reserve {} {}", reserve.request_id, tokens(&reserve.worst_case))
        }
        Command::Checkpoint(checkpoint) => {
            format!("checkpoint {} {}", checkpoint.request_id, tokens(&checkpoint.usage))
        }
        Command::Settle(settle) => {
            format!("settle {} {} {}", settle.request_id, tokens(&settle.usage), settle.outcome)
        }
        Command::Release(release) => format!("release {}", release.request_id),
        other => format!("{other:?}"),
    }
}

fn tokens(usage: &Usage) -> String {
    format!("{}+{} tokens", usage.total_input(), usage.total_output())
}

fn cut(text: String) -> String {
    text.chars().take(TOLD_BYTES_MAX).collect()
}
