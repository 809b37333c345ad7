//! What must be true of an account after every stored step. These books are kept from what is on disk
//! and from what was asked, never from what the account says of itself.

use crate::receipts::Receipts;
use crate::rows::Rows;
use crate::trace::fnv;
use crate::view::{View, equal};
use domain::account::{Command, Event, HOLD_TTL, HOLD_TTL_MAX, Hold, Refusal, Reply, Reserve};
use domain::identity::RequestId;
use domain::price::{Tariff, Usage};
use domain::time::Timestamp;
use platform::resident::decode;
use std::collections::BTreeSet;

/// Longest text of a command or reply in a trace.
const TOLD_BYTES_MAX: usize = 160;

#[derive(Default)]
pub struct Books {
    view: View,
    /// Every call that ever had a hold, or was ended before it could have one.
    ended: BTreeSet<RequestId>,
    opened: BTreeSet<RequestId>,
    pub receipts: Receipts,
    last: (Vec<u8>, Vec<u8>),
}

/// One step: what it was asked, when, and what it made of what.
struct Step<'a> {
    command: &'a Command,
    reply: &'a Reply,
    /// The time as the account counts it, which never runs backwards.
    now: Timestamp,
    before: &'a View,
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
        let step =
            Step { command: &asked, reply: &answered, now: now.max(before.head.last_seen), before: &before };
        if before.configuration().is_some() {
            self.receipts.operation(&asked, step.now);
        }
        self.check_holds(&step, &events)?;
        for event in events {
            self.receipts.take(event, &asked)?;
        }
        self.view.check_counters()?;
        self.receipts.check_head(&self.view.head)?;
        self.check_refusal(&step)?;
        self.check_late_settlement(&step)?;
        self.check_that_calls_stay_within(&step)
    }

    pub fn has_held(&self, id: RequestId) -> bool {
        self.opened.contains(&id)
    }

    pub fn view(&self) -> &View {
        &self.view
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

    /// Refused for money only where the worst case did not fit.
    fn check_refusal(&self, step: &Step<'_>) -> Result<(), String> {
        let (Command::Reserve(reserve), Reply::Refused(Refusal::Budget(_))) = (step.command, step.reply)
        else {
            return Ok(());
        };
        let Some(free) = self.view.free() else { return Ok(()) };
        let worst = cost(&reserve.tariff.dearest(), &reserve.worst_case).unwrap_or(i64::MAX);
        if worst <= free && free >= 0 {
            return Err(format!("refused, though the worst case of {worst} fits the {free} that are free"));
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
        let period = |view: &View| view.head.periods.last().map(|period| period.opened_at);
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

/// P1 and P2: within what is free, for the whole worst case, at the asked output unless a clamp was allowed.
fn check_opened(
    step: &Step<'_>,
    id: RequestId,
    hold: &Hold,
    reserve: &Reserve,
    after: &View,
) -> Result<(), String> {
    if reserve.request_id != id {
        return Err(format!("the reserve of {} opened a hold for {id}", reserve.request_id));
    }
    if step.now >= reserve.valid_until {
        return Err(format!("an old reserve opened a hold for {id}"));
    }
    let may_clamp = reserve.clamp || after.configuration().is_some_and(|configuration| configuration.clamp);
    if hold.output_ceiling > reserve.worst_case.output
        || (!may_clamp && hold.output_ceiling != reserve.worst_case.output)
    {
        return Err(format!("the hold of {id} has another output ceiling than asked"));
    }
    let worst = Usage { output: hold.output_ceiling, ..reserve.worst_case };
    let amount = hold.amount().get();
    equal("a hold's amount", amount, cost(&reserve.tariff.dearest(), &worst).unwrap_or(i64::MAX))?;
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
