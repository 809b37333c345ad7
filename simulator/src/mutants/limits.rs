//! Accounts and pools that are wrong about limits which change. They exist to be caught.

use crate::mutants::account::{self, AccountState, Answer};
use crate::mutants::pool;
use domain::account::{Account, Command, Part};
use domain::identity::AccountId;
use domain::lease::{Grant, Want};
use domain::rate_limit::RateMeter;
use domain::state_machine::{PartKey, State, StateMachine};
use domain::tenant_pool::{self, Head, Lease};
use domain::time::Timestamp;

const CONFIGURATION: PartKey = PartKey { kind: 0, id: [0; 16] };

fn keys(state: &AccountState) -> Vec<domain::account::Key> {
    match state.part(CONFIGURATION) {
        Some(Part::Configuration(known)) => known.keys.clone(),
        _ => Vec::new(),
    }
}

/// A new configuration adds keys and takes none away.
pub struct RevokedKeysGoOn;
impl account::Flaw for RevokedKeysGoOn {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let before = keys(state);
        let outcome = Account::step(state, command, now);
        let known = keys(state);
        let revoked: Vec<_> =
            before.into_iter().filter(|old| known.iter().all(|new| new.hash != old.hash)).collect();
        if !revoked.is_empty()
            && let Some(Part::Configuration(configuration)) = state.part(CONFIGURATION)
        {
            let mut configuration = configuration.clone();
            configuration.keys.extend(revoked);
            state.put(CONFIGURATION, Part::Configuration(configuration));
        }
        outcome
    }
}

/// The end of a call frees all tokens, not only those that it did not use.
pub struct TokensAreFreeAgain;
impl account::Flaw for TokensAreFreeAgain {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let settles = matches!(command, Command::Settle(_));
        let outcome = Account::step(state, command, now);
        if settles {
            state.head.rates.tokens = RateMeter::default();
        }
        outcome
    }
}

/// A key keeps the limits that it had at first.
pub struct KeysKeepTheirLimits;
impl account::Flaw for KeysKeepTheirLimits {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let before = keys(state);
        let outcome = Account::step(state, command, now);
        if let Some(Part::Configuration(known)) = state.part(CONFIGURATION) {
            let mut kept = known.clone();
            for key in &mut kept.keys {
                if let Some(old) = before.iter().find(|old| old.hash == key.hash) {
                    key.rates = old.rates;
                }
            }
            if kept != *known {
                state.put(CONFIGURATION, Part::Configuration(kept));
            }
        }
        outcome
    }
}

/// What calls leave after a recall is spent by the next.
pub struct SpendsWhatItGaveBack;
impl account::Flaw for SpendsWhatItGaveBack {
    fn step(state: &mut AccountState, command: Command, now: Timestamp) -> Answer {
        let gives_back = matches!(command, Command::GiveBack(_));
        let outcome = Account::step(state, command, now);
        if gives_back {
            state.head.tenant.draining = false;
        }
        outcome
    }
}

/// Gives tokens and does not count them.
pub struct TokensAreNotCounted;
impl pool::Flaw for TokensAreNotCounted {
    fn spoil(state: &mut State<Head, tenant_pool::Part>, _: AccountId, _: &Want, _: &Lease, _: &mut Grant) {
        state.head.rates.tokens = RateMeter::default();
    }
}
