//! The kinds of state machines, told apart in this one place. A new kind needs an arm in each function,
//! and books of its own among the invariants.

use crate::hosts::hosted::{Host, Hosted};
use crate::mutants::Mutant;
use domain::account::Account;
use domain::state_machine::{Codec, StateMachine};
use domain::tenant_pool::TenantPool;
use platform::resident::decode;
use platform::{Platform, PlatformError};

/// A new machine of this kind, or of its broken twin.
///
/// # Panics
/// If nobody told this place of the kind.
pub fn machine(kind: &'static str, mutant: &Mutant) -> Box<dyn Hosted> {
    match (kind, mutant.machine) {
        (kind, Some((broken, build))) if kind == broken => build(),
        (Account::KIND, _) => Box::<Host<Account>>::default(),
        (TenantPool::KIND, _) => Box::<Host<TenantPool>>::default(),
        (other, _) => panic!("the simulator has no machine of kind {other}"),
    }
}

/// Where a machine's events go.
pub async fn deliver(
    platform: &impl Platform,
    kind: &'static str,
    name: &str,
    events: &[Vec<u8>],
) -> Result<(), PlatformError> {
    match kind {
        Account::KIND => billing::outbox::of_account(platform, name, decoded(events)?).await,
        TenantPool::KIND => billing::outbox::of_pool(platform, name, decoded(events)?).await,
        other => panic!("nobody takes the events of {other}"),
    }
}

fn decoded<T: Codec>(events: &[Vec<u8>]) -> Result<Vec<T>, PlatformError> {
    let event = |bytes: &Vec<u8>| decode(bytes).map_err(|error| PlatformError::malformed(error.to_string()));
    events.iter().map(event).collect()
}
