//! When all is healed and delivered: what the database holds, and what every call was charged.

use crate::actors::calls::{Answered, Call, Facts};
use crate::actors::webhooks;
use crate::checks::books::{Books, cost};
use crate::checks::directory_verdict;
use crate::checks::view::equal;
use crate::world::World;
use core::time::Duration;
use domain::account::UsageRow;
use domain::identity::RequestId;
use domain::money::NanoEur;
use domain::price::Usage;
use platform::{Row, Statement};
use std::collections::BTreeMap;

const ROWS: &str = "
SELECT request_id, kind, cost_nano_eur, overrun_nano_eur, tokens_input, tokens_output, period_opened_at, outcome
FROM usage_logs WHERE account_id = ?1";

pub fn pronounce(world: &World) {
    let books = world.books.borrow();
    for (at, customer) in world.accounts.iter().enumerate() {
        let books = &books[&customer.name];
        world.check(Some(at), nothing_is_held(books));
        world.check(Some(at), rows_are_all_there(world, &customer.name, books));
        world.check(Some(at), configuration_arrived(world, &customer.name, books));
        world.check(Some(at), directory_verdict::account_knows_all(world, customer.id, books));
    }
    for tenant in 0..world.tenants.len() {
        world.check(None, nothing_is_stranded(world, tenant));
        world.check(None, pools_limits_arrived(world, tenant));
        world.check(None, directory_verdict::pool_knows_its_rates(world, tenant));
    }
    world.check(None, notices_were_delivered(world));
    world.check(None, webhooks::all_arrived(world));
    for call in world.calls.borrow().iter() {
        let books = &books[&world.accounts[call.account].name];
        let Some(id) = call.facts.borrow().request_id else { continue };
        if let Err(claim) = judge(world, call, id, books) {
            world.violated_for(call.account, id, format!("#{}: {claim}", call.number));
        }
    }
}

/// P5.
fn nothing_is_held(books: &Books) -> Result<(), String> {
    match books.view().holds().next() {
        Some((id, hold)) => Err(format!("the hold of {id} is never ended: {hold:?}")),
        None => Ok(()),
    }
}

/// When everybody has given back: what a pool counts in its period is what was used.
fn nothing_is_stranded(world: &World, tenant: usize) -> Result<(), String> {
    let (pools, books) = (world.pools.borrow(), world.books.borrow());
    let pool = pools[&world.tenants[tenant].pool].view();
    let period = &pool.head.period;
    for account in world.accounts_of(tenant) {
        let view = books[&account.name].view();
        let (share, terms) = (&view.head.tenant, view.configuration().and_then(|known| known.pool.as_ref()));
        let told =
            terms.is_some_and(|pool| pool.money) && share.confirmed && share.opened_at == period.opened_at;
        if told && pool.head.last_seen < period.ends_at {
            equal("reserved for ever", share.reserved.get(), 0)?;
            let counted = pool.figure(account.id, period.opened_at);
            equal("what a pool counts for an account in the end", counted, share.used.get().max(0))?;
        }
    }
    Ok(())
}

fn pools_limits_arrived(world: &World, tenant: usize) -> Result<(), String> {
    let tenant = &world.tenants[tenant];
    let query = |sql| {
        let rows = world.database.query(&Statement::new(sql).bind(tenant.id.as_str()));
        rows.map_err(|error| error.to_string())
    };
    if !query("SELECT version FROM pending_pool_pushes WHERE tenant_id = ?1")?.is_empty() {
        return Err("a tenant's limits are pending for ever".into());
    }
    let rows = query("SELECT configuration_version, budget_nano_eur FROM tenants WHERE id = ?1")?;
    let said = rows.first().ok_or("the tenant is gone")?;
    let pools = world.pools.borrow();
    let known = pools[&tenant.pool].view().configuration().ok_or("the pool was never configured")?;
    equal("the pool's limits", known.version as i64, said.integer("configuration_version").unwrap_or(-1))?;
    let budget = said.optional_integer("budget_nano_eur").map_err(|error| error.to_string())?;
    if known.budget.map(NanoEur::get) == budget { Ok(()) } else { Err("the pool's budget is another".into()) }
}

/// Less than the scheduler keeps them, by as much as clocks may differ.
const NOTICES_KEPT: Duration = Duration::from_secs(89 * 86_400);

const NOTICES: &str = "
SELECT n.id, SUM(d.status = 'delivered' AND d.channel = 'mail') AS delivered, COUNT(d.target) AS deliveries
FROM notices n LEFT JOIN deliveries d ON d.notice_id = n.id GROUP BY n.id";

/// P27: what was raised is there, each once under its own id, and a user's mail has left.
fn notices_were_delivered(world: &World) -> Result<(), String> {
    let (books, pools) = (world.books.borrow(), world.pools.borrow());
    let mut raised = BTreeMap::new();
    for (name, books) in books.iter() {
        raised
            .extend(books.receipts.notices().map(|notice| (notice.id(name).to_string(), (true, notice.at))));
    }
    for tenant in &world.tenants {
        let notices = pools[&tenant.pool].notices();
        raised.extend(notices.map(|notice| (notice.id(&tenant.id).to_string(), (false, notice.at))));
    }
    let rows = world.database.query(&Statement::new(NOTICES)).map_err(|error| error.to_string())?;
    // Worlds whose clocks jump far enough have pruned the oldest.
    let kept_since = world.wall().minus(NOTICES_KEPT);
    let there: Vec<String> = rows.iter().map(|row| text(row, "id")).collect();
    let lost = raised.iter().find(|(id, (_, at))| *at > kept_since && !there.contains(id));
    if let Some((id, _)) = lost {
        return Err(format!("the notice {id} was raised and is nowhere"));
    }
    for row in rows {
        let id = text(&row, "id");
        let (to_a_user, _) = raised.get(&id).ok_or_else(|| format!("nobody raised the notice {id}"))?;
        // Tenants have no admins here, so that theirs reach nobody.
        let delivered = row.integer("delivered").unwrap_or(-1);
        if *to_a_user && delivered != 1 {
            return Err(format!("the notice {id} was delivered {delivered} times: {row:?}"));
        }
    }
    Ok(())
}

/// What was told and what the database holds are the same rows.
fn rows_are_all_there(world: &World, name: &str, books: &Books) -> Result<(), String> {
    let statement = Statement::new(ROWS).bind(name);
    let mut stored = world.database.query(&statement).map_err(|error| error.to_string())?;
    stored.sort_by_key(|row| (text(row, "request_id"), text(row, "kind")));
    let mut told: Vec<&UsageRow> = books.receipts.rows().values().collect();
    told.sort_by_key(|row| (row.request_id.to_string(), row.kind.as_str()));
    if stored.len() != told.len() {
        return Err(format!("{} rows were told, {} are stored", told.len(), stored.len()));
    }
    let differs = |(stored, told): &(&Row, &&UsageRow)| !is_stored_as_told(stored, told);
    match stored.iter().zip(&told).find(differs) {
        Some((stored, told)) => Err(format!("told {told:?}, stored {stored:?}")),
        None => Ok(()),
    }
}

/// P14: what the directory says has reached the account, and nothing is pending.
fn configuration_arrived(world: &World, name: &str, books: &Books) -> Result<(), String> {
    let query = |sql| {
        let rows = world.database.query(&Statement::new(sql).bind(name));
        rows.map_err(|error| error.to_string())
    };
    if !query("SELECT version FROM pending_pushes WHERE account_id = ?1")?.is_empty() {
        return Err("a configuration is pending for ever".into());
    }
    let rows = query("SELECT configuration_version, budget_nano_eur FROM users WHERE id = ?1")?;
    let user = rows.first().ok_or("the user is gone")?;
    let known = books.view().configuration().ok_or("the account was never configured")?;
    let said = |column| user.integer(column).unwrap_or(i64::MIN);
    equal("the account's configuration", known.version as i64, said("configuration_version"))?;
    equal("the account's budget", known.budget.get(), said("budget_nano_eur"))
}

fn is_stored_as_told(stored: &Row, told: &UsageRow) -> bool {
    let number = |column| stored.integer(column).unwrap_or(i64::MIN);
    text(stored, "request_id") == told.request_id.to_string()
        && text(stored, "kind") == told.kind.as_str()
        && text(stored, "outcome") == told.outcome
        && number("cost_nano_eur") == told.cost.get()
        && number("overrun_nano_eur") == told.overrun.get()
        && number("tokens_input") == told.usage.input as i64
        && number("tokens_output") == told.usage.output as i64
        && number("period_opened_at") == told.period_opened_at.as_millis()
}

fn text(row: &Row, column: &str) -> String {
    row.text(column).unwrap_or_default().to_owned()
}

/// What the call really used is in its rows, or the rule for the lost explains them.
fn judge(world: &World, call: &Call, id: RequestId, books: &Books) -> Result<(), String> {
    let facts = call.facts.borrow();
    let (row, correction) = books.receipts.of_call(id);
    let Some(row) = row else { return judge_uncharged(call, &facts, books.has_held(id)) };
    let last = correction.unwrap_or(row);
    if row.outcome == "expired" && correction.is_none() {
        return judge_expired(call, &facts, row, world.clocks_may_end_holds());
    }
    if let Some(settled) = facts.settled
        && last.usage != settled
    {
        return Err(format!("{settled:?} was settled and acknowledged, but {:?} is charged", last.usage));
    }
    if last.outcome == "released" {
        return if is_free(&facts) { Ok(()) } else { Err(format!("released, but it was served: {facts:?}")) };
    }
    judge_settled(call, &facts, last)?;
    let charged = row.cost.get() + correction.map_or(0, |correction| correction.cost.get());
    judge_told(call, &facts, charged)
}

/// Nothing that can be charged came back.
fn is_free(facts: &Facts) -> bool {
    match facts.answer {
        Answered::Nothing | Answered::Useless => true,
        // Of a whole answer that came too late nothing reached the caller.
        Answered::Whole => !facts.complete,
        Answered::Stream => facts.delivered_output == 0 && facts.reported.is_none(),
    }
}

fn judge_uncharged(call: &Call, facts: &Facts, held: bool) -> Result<(), String> {
    // A host that dies between the hold and the answer leaves the hold to its expiry, which is never free.
    let lost = held && call.is_disturbed() && facts.settled.is_none();
    if is_free(facts) || (lost && !facts.sent_upstream) {
        return Ok(());
    }
    Err(format!("it was served and is charged nowhere: {facts:?}"))
}

/// The rule for the lost: the last checkpoint, or the input estimate.
fn judge_expired(call: &Call, facts: &Facts, row: &UsageRow, by_clocks: bool) -> Result<(), String> {
    if !call.is_disturbed() && !by_clocks {
        return Err(format!("its hold expired, though nothing stood in the way of its end: {facts:?}"));
    }
    if let Some(settled) = facts.settled {
        return match settled == row.usage {
            true => Ok(()),
            false => Err(format!("{settled:?} was settled and acknowledged, {:?} is charged", row.usage)),
        };
    }
    let told = |usage: &Usage| *usage == row.usage;
    if told(&facts.input_estimate) || facts.checkpoints.iter().any(told) {
        return Ok(());
    }
    Err(format!("its hold expired at {:?}, which nobody ever told", row.usage))
}

fn judge_settled(call: &Call, facts: &Facts, row: &UsageRow) -> Result<(), String> {
    if is_free(facts) && !(facts.answer == Answered::Stream && row.outcome == "client_closed") {
        return Err(format!("nothing was served, but {:?} is charged", row.usage));
    }
    if row.usage.total_output() < facts.delivered_output && !honest(facts, row) {
        return Err(format!("too few tokens are charged as {}: {:?}; {facts:?}", row.outcome, row.usage));
    }
    let exact = facts.reported.filter(|usage| usage.total() > 0 && facts.complete);
    if let Some(reported) = exact
        && row.outcome == "completed"
        && reported != row.usage
        && !call.is_disturbed()
    {
        return Err(format!("{reported:?} was reported, {:?} is charged", row.usage));
    }
    if row.cost == NanoEur::ZERO && cost(&row.tariff, &row.usage) != Some(0) && row.kind.as_str() == "call" {
        return Err("a served call is charged nothing".into());
    }
    Ok(())
}

/// The provider's own count stands, also where ours is higher.
fn honest(facts: &Facts, row: &UsageRow) -> bool {
    facts.reported.is_some_and(|reported| reported == row.usage)
}

/// What the caller was told is what is charged, unless the ledger could not be asked.
fn judge_told(call: &Call, facts: &Facts, charged: i64) -> Result<(), String> {
    let Some(told) = &facts.told_cost else { return Ok(()) };
    if call.is_disturbed() || NanoEur::parse_euros(told).ok() == Some(NanoEur::saturating(charged)) {
        return Ok(());
    }
    Err(format!("the caller was told {told}, but {charged} nano-euros are charged"))
}
