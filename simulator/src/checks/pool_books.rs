//! What must be true of a tenant's pool, and of it and its accounts together, after every stored step.

use crate::checks::books::Books;
use crate::checks::outstanding;
use crate::checks::pace::{History, Pace};
use crate::checks::view::{View, equal};
use crate::hosts::rows::Rows;
use crate::trace::fnv;
use core::time::Duration;
use domain::account::{Account, RESERVE_VALIDITY};
use domain::identity::AccountId;
use domain::lease::{Grant, PERMIT_VALIDITY, Want};
use domain::notice::{NEARLY, Notice, percent};
use domain::tenant_pool::{Command, Event, Reply, TenantPool};
use domain::time::Timestamp;
use platform::resident::decode;
use std::collections::BTreeMap;

const TOLD_CHARS_MAX: usize = 420;
/// Adjustments of an account whose clock is behind may count in the pool's period, too.
const CREDITS_FROM_BEFORE: core::time::Duration = core::time::Duration::from_secs(1_800);

#[derive(Default)]
pub struct PoolBooks {
    view: View<TenantPool>,
    /// The highest budget of the present period, since what was granted under it stays granted. None: there
    /// was none for a while.
    budget_max: Option<i64>,
    /// Permits by account, as they were first answered: requests and tokens.
    issued: BTreeMap<AccountId, (u64, u64)>,
    limits: History,
    requests: Pace,
    tokens: Pace,
    notices: BTreeMap<(u8, Timestamp), Notice>,
    last: (Vec<u8>, Vec<u8>),
    /// What the last step was, for the statistics.
    pub seen: Vec<&'static str>,
}

/// One step of the pool that was asked for a lease.
struct Asked<'a> {
    account: AccountId,
    want: &'a Want,
    grant: &'a Grant,
    before: &'a View<TenantPool>,
}

impl PoolBooks {
    pub fn witness(&mut self, command: &[u8], reply: &[u8], rows: &Rows) -> Result<(), String> {
        self.last = (command.to_vec(), reply.to_vec());
        let asked: Command = decode(command).map_err(|error| error.to_string())?;
        let answered: Reply = decode(reply).map_err(|error| error.to_string())?;
        let before = self.view.clone();
        self.seen.clear();
        for event in self.view.update(rows)? {
            self.seen.push(if matches!(event, Event::Recall(..)) { "recalls" } else { "tenants' notices" });
            self.take(event)?;
        }
        if before.head.period.opened_at != self.view.head.period.opened_at {
            self.seen.push("tenants' periods");
        }
        self.keep_budget(&before);
        if let Some(known) = self.view.configuration() {
            self.limits.note(self.view.head.last_seen, known.rates);
        }
        self.check_sums()?;
        if let (Command::Want(account, want), Reply::Grant(grant)) = (&asked, &answered) {
            let asked = Asked { account: *account, want, grant, before: &before };
            self.check_answer(&asked)?;
            self.seen.push(if grant.short.is_some() { "pools were short" } else { "pools answered" });
            self.seen.extend(grant.rate.is_some().then_some("pools had no permits"));
            if let Some(permits) = &grant.permits {
                let issued = self.issued.entry(*account).or_default();
                *issued = (issued.0 + permits.requests, issued.1 + permits.tokens);
            }
        }
        Ok(())
    }

    pub fn view(&self) -> &View<TenantPool> {
        &self.view
    }

    pub fn notices(&self) -> impl Iterator<Item = &Notice> {
        self.notices.values()
    }

    pub fn fingerprint(&self) -> u64 {
        fnv(fnv(fnv(0, &self.last.0), &self.last.1), self.view.head_bytes())
    }

    /// The last step, for a trace.
    pub fn told(&self) -> String {
        let command = decode::<Command>(&self.last.0).map(|command| format!("{command:?}"));
        let reply = decode::<Reply>(&self.last.1).map(|reply| format!("{reply:?}"));
        let text = format!("{} -> {}", command.unwrap_or_default(), reply.unwrap_or_default());
        text.chars().take(TOLD_CHARS_MAX).collect()
    }

    /// P27.
    fn take(&mut self, event: Event) -> Result<(), String> {
        let Event::Notice(notice) = event else { return Ok(()) };
        let reached = percent(notice.used, notice.limit);
        if notice.percent > reached && !(notice.percent == 100 && reached >= NEARLY) {
            return Err(format!("a tenant's notice of {} per cent was raised at {reached}", notice.percent));
        }
        match self.notices.insert((notice.percent, notice.period_opened_at), *notice) {
            Some(again) => Err(format!("the tenant's notice of {} per cent was raised twice", again.percent)),
            None => Ok(()),
        }
    }

    fn keep_budget(&mut self, before: &View<TenantPool>) {
        let present = self.view.configuration().and_then(|known| known.budget).map(|budget| budget.get());
        let new_period = before.head.period.opened_at != self.view.head.period.opened_at;
        self.budget_max = match (self.budget_max, present) {
            (_, present) if new_period => present,
            (Some(max), Some(present)) => Some(max.max(present)),
            _ => None,
        };
    }

    fn check_sums(&self) -> Result<(), String> {
        let period = &self.view.head.period;
        let committed: i64 = self.view.leases().map(|lease| lease.figure().get()).sum();
        equal("what a pool has committed", period.committed.amount().get(), committed)?;
        let used: i64 = self.view.leases().map(|lease| lease.used.get()).sum();
        equal("what a pool counts as used", period.used.amount().get(), used)
    }

    /// Figures fall under a new epoch only, rise within the budget only, and are short only where they are.
    fn check_answer(&self, asked: &Asked<'_>) -> Result<(), String> {
        let Asked { account, want, grant, before } = *asked;
        let period = self.view.head.period.opened_at;
        let known_epoch = before.lease(account).map_or(0, |lease| lease.epoch);
        let lease = |view: &View<TenantPool>| {
            view.lease(account)
                .filter(|lease| lease.period_opened_at == period)
                .map_or((0, 0), |lease| (lease.figure().get(), lease.granted.get()))
        };
        let ((old, old_granted), (new, new_granted)) = (lease(before), lease(&self.view));
        if new < old && want.epoch <= known_epoch {
            return Err(format!("a want of no newer epoch lowered {account} from {old} to {new}"));
        }
        let others: i64 =
            self.view.leases().filter(|lease| lease.account != account).map(|l| l.figure().get()).sum();
        let Some(budget) = self.view.configuration().and_then(|known| known.budget) else { return Ok(()) };
        if new > old && new_granted > old_granted && others + new > budget.get() {
            return Err(format!("{account} was granted {new} of {budget}, and others have {others}"));
        }
        let told = if want.epoch >= known_epoch { want.used.get() } else { i64::MIN };
        let needed = want.least.get().max(told);
        let fits = others + old.max(needed) <= budget.get();
        if grant.short.is_some() && fits && want.period_opened_at == period {
            return Err(format!(
                "short for {account}, though {needed} and the others' {others} fit {budget}"
            ));
        }
        Ok(())
    }

    /// P1 for all levels: what the pool counts is not less than what an account has, and all calls together
    /// stay within the highest budget since the period began.
    pub fn check_accounts<'a>(
        &self,
        accounts: impl Iterator<Item = (AccountId, &'a Books)>,
    ) -> Result<(), String> {
        let period = self.view.head.period.opened_at;
        let (mut calls, mut credits) = (0, 0);
        for (id, books) in accounts {
            let share = &books.view().head.tenant;
            if share.confirmed && share.opened_at == period {
                let counted = self.view.figure(id, period);
                if counted < share.granted.get() {
                    return Err(format!(
                        "{id} has {} of its tenant's money, the pool counts {counted}",
                        share.granted
                    ));
                }
            }
            self.check_permits(id, books)?;
            outstanding::check(&self.view, id, books.view())?;
            calls += books.receipts.of_tenant_period(period) + leased_by_holds(books.view(), period);
            credits += books.receipts.credits_since(period.minus(CREDITS_FROM_BEFORE));
        }
        match self.budget_max {
            Some(budget) if calls > budget + credits && calls > 0 => {
                Err(format!("calls took {calls} of a tenant's budget of {budget} and credits of {credits}"))
            }
            _ => Ok(()),
        }
    }

    /// Each permit is used once.
    fn check_permits(&self, id: AccountId, books: &Books) -> Result<(), String> {
        let (requests, tokens) = self.issued.get(&id).copied().unwrap_or_default();
        let (held, taken) = (books.view().head.tenant.permits, books.levels.permitted);
        if held.requests + taken.requests > requests {
            return Err(format!(
                "{id} has {} permits and used {}, of {requests} that were given",
                held.requests, taken.requests
            ));
        }
        if held.tokens + taken.tokens > tokens + taken.tokens_given_back {
            return Err(format!(
                "{id} has {} tokens and {taken:?}, of {tokens} that were given",
                held.tokens
            ));
        }
        Ok(())
    }

    /// P16: a call of one of the tenant's accounts was admitted. Permits of the last seconds may be used besides, at the
    /// limits that held then; `skew_ms` is how far two clocks are apart at most.
    pub fn admitted(&mut self, now: Timestamp, skew_ms: u64) -> Result<(), String> {
        let more = permits_last(skew_ms);
        let limit = self.limits.highest(now.minus(more), |limits| limits.requests_per_minute);
        match limit {
            Some(limit) if !self.requests.admit(1, limit, now, more) => {
                Err(format!("more than the tenant's {limit} requests a minute were admitted"))
            }
            _ => Ok(()),
        }
    }

    /// The same of tokens: a step took some, or may have given some back.
    pub fn took_tokens(
        &mut self,
        (taken, back): (u64, u64),
        now: Timestamp,
        skew_ms: u64,
    ) -> Result<(), String> {
        let more = permits_last(skew_ms);
        let limit = self.limits.highest(now.minus(more), |limits| limits.tokens_per_minute);
        let Some(limit) = limit else { return Ok(()) };
        self.tokens.give_back(back, limit);
        if taken > 0 && !self.tokens.admit(taken, limit, now, more) {
            return Err(format!("more than the tenant's {limit} tokens a minute were admitted"));
        }
        Ok(())
    }
}

fn leased_by_holds(view: &View<Account>, period: Timestamp) -> i64 {
    let holds = view.holds().map(|(_, hold)| hold);
    holds.filter(|hold| hold.tenant_opened_at == Some(period)).map(|hold| hold.amount().get()).sum()
}

/// How long permits may still be used, by the pool's time: on their way, then held, and both by a time that may go at
/// half speed.
fn permits_last(skew_ms: u64) -> Duration {
    2 * (PERMIT_VALIDITY + RESERVE_VALIDITY * 2) + Duration::from_millis(skew_ms)
}
