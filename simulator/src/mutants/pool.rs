//! Pools that are wrong in one way each. They exist to be caught.

use core::marker::PhantomData;
use domain::identity::AccountId;
use domain::lease::{Grant, Want};
use domain::money::NanoEur;
use domain::state_machine::{Outcome, PartKey, State, StateMachine};
use domain::tenant_pool::{Command, Event, Head, Lease, Part, Reply, TenantPool};
use domain::time::Timestamp;

type PoolState = State<Head, Part>;
type Answer = Outcome<Reply, Event>;

/// One way of being wrong, at the answer to a want.
pub trait Flaw: 'static {
    /// `before` is the account's lease in this period before the step.
    fn spoil(state: &mut PoolState, account: AccountId, want: &Want, before: &Lease, grant: &mut Grant);
}

/// The pool in everything but its answers.
pub struct BrokenPool<F>(PhantomData<F>);

impl<F: Flaw> StateMachine for BrokenPool<F> {
    const KIND: &'static str = TenantPool::KIND;
    type Head = Head;
    type Part = Part;
    type Command = Command;
    type Reply = Reply;
    type Event = Event;

    const STANDING: &'static [u8] = TenantPool::STANDING;

    fn reads(command: &Command) -> Vec<PartKey> {
        TenantPool::reads(command)
    }

    fn reads_all(command: &Command) -> bool {
        TenantPool::reads_all(command)
    }

    fn needed_all(reply: &Reply) -> bool {
        TenantPool::needed_all(reply)
    }

    fn step(state: &mut PoolState, command: Command, now: Timestamp) -> Answer {
        let asked = match &command {
            Command::Want(account, want) => {
                lease(state, *account).map(|lease| (*account, want.clone(), lease))
            }
            _ => None,
        };
        let mut outcome = TenantPool::step(state, command, now);
        if let (Some((account, want, before)), Reply::Grant(grant)) = (asked, &mut outcome.reply)
            && before.period_opened_at == state.head.period.opened_at
        {
            F::spoil(state, account, &want, &before, grant);
        }
        outcome
    }

    fn resident(key: PartKey) -> bool {
        TenantPool::resident(key)
    }

    fn wake() -> Command {
        TenantPool::wake()
    }
}

const fn lease_key(account: AccountId) -> PartKey {
    PartKey { kind: 1, id: account.id }
}

fn lease(state: &PoolState, account: AccountId) -> Option<Lease> {
    match state.part(lease_key(account)) {
        Some(Part::Lease(lease)) => Some(lease.clone()),
        _ => None,
    }
}

/// Stores another figure, with the sums that belong to it.
fn set(state: &mut PoolState, account: AccountId, granted: NanoEur) {
    let Some(old) = lease(state, account) else { return };
    let new = Lease { granted, ..old.clone() };
    let committed = state.head.period.committed.less(old.figure()).plus(new.figure());
    state.head.period.committed = committed;
    state.put(lease_key(account), Part::Lease(new));
}

/// What an account said before it lowered its figure is believed.
pub struct OldEpochLowers;
impl Flaw for OldEpochLowers {
    fn spoil(state: &mut PoolState, account: AccountId, want: &Want, before: &Lease, _: &mut Grant) {
        if want.epoch < before.epoch {
            set(state, account, before.granted.min(want.base));
        }
    }
}

/// A want that comes late is believed like a new one.
pub struct LateWantLowers;
impl Flaw for LateWantLowers {
    fn spoil(state: &mut PoolState, account: AccountId, want: &Want, before: &Lease, _: &mut Grant) {
        if want.epoch == before.epoch && want.least < before.granted {
            set(state, account, want.least);
        }
    }
}

/// Grants what is wanted, whether it is there or not.
pub struct GrantsWhenOver;
impl Flaw for GrantsWhenOver {
    fn spoil(state: &mut PoolState, account: AccountId, want: &Want, _: &Lease, grant: &mut Grant) {
        if grant.short.take().is_some() {
            grant.granted = grant.granted.max(want.target);
            set(state, account, grant.granted);
        }
    }
}

/// A notch below what others have is short already.
pub struct ShortThoughThereIsMoney;
impl Flaw for ShortThoughThereIsMoney {
    fn spoil(state: &mut PoolState, account: AccountId, want: &Want, before: &Lease, grant: &mut Grant) {
        if grant.short.is_none() && grant.granted > before.granted && want.epoch == before.epoch {
            grant.granted = before.granted;
            grant.short = Some(domain::lease::Short::default());
            set(state, account, before.granted);
        }
    }
}
