//! Deliberate mistakes, each of which a sweep must catch: the proof that the checks bite.

mod account;
mod limits;
mod pool;
mod share;

use crate::hosts::hosted::{Host, Hosted};
use crate::profile::{self, Profile};
use account::Broken;
use domain::account::Account;
use domain::state_machine::StateMachine;
use domain::tenant_pool::TenantPool;
use pool::BrokenPool;

/// How a host is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostFlaw {
    None,
    /// Reads its rows, lets others go ahead, and stores over what they stored.
    StepsOnAStaleCopy,
    /// Events leave the outbox before they have arrived.
    AcknowledgesBeforeItDelivers,
    /// Dies between storing the state and storing its events.
    StoresStateWithoutEvents,
    /// Dies in the middle of a store.
    TearsItsStore,
    /// Answers, and dies before it has stored.
    RepliesBeforeItStores,
    /// Starts a pool again without one of its leases.
    ForgetsAPoolsLease,
    /// What is left for after the response is never done.
    ForgetsBackgroundTasks,
    /// Answers webhooks itself, and sends none.
    LosesWebhooks,
    /// Sends webhooks without their signature.
    SignsNoWebhooks,
}

/// Makes a machine with nothing stored.
pub type Build = fn() -> Box<dyn Hosted>;

#[derive(Debug)]
pub struct Mutant {
    pub name: &'static str,
    pub host: HostFlaw,
    /// A broken machine in the place of the real one of this kind.
    pub machine: Option<(&'static str, Build)>,
    /// Where it is looked for.
    pub profile: &'static Profile,
    /// It must be caught within so many seeds.
    pub seeds: u64,
}

/// No mistake at all.
pub static FAITHFUL: Mutant =
    Mutant { name: "none", host: HostFlaw::None, machine: None, profile: &profile::CRASHES, seeds: 0 };

const fn of_account(name: &'static str, profile: &'static Profile, seeds: u64, build: Build) -> Mutant {
    Mutant { name, host: HostFlaw::None, machine: Some((Account::KIND, build)), profile, seeds }
}

const fn of_pool(name: &'static str, profile: &'static Profile, seeds: u64, build: Build) -> Mutant {
    Mutant { name, host: HostFlaw::None, machine: Some((TenantPool::KIND, build)), profile, seeds }
}

const fn of_host(name: &'static str, profile: &'static Profile, seeds: u64, host: HostFlaw) -> Mutant {
    Mutant { name, host, machine: None, profile, seeds }
}

fn host<F: account::Flaw>() -> Box<dyn Hosted> {
    Box::<Host<Broken<F>>>::default()
}

fn pool<F: pool::Flaw>() -> Box<dyn Hosted> {
    Box::<Host<BrokenPool<F>>>::default()
}

use profile::{BACKLOG, CALM_WORLD, CLOCKS, CONTENTION, CRASHES, PERIODS, REPEATS};

/// Add one: a flaw in `broken_account` or [`HostFlaw`], and a line here.
pub static ALL: [Mutant; 49] = [
    of_account("settles twice", &CALM_WORLD, 100, host::<account::SettlesTwice>),
    of_account("a reset forgets holds", &PERIODS, 100, host::<account::ResetForgetsHolds>),
    of_account("a late checkpoint overrides", &PERIODS, 2_000, host::<account::LateCheckpointOverrides>),
    of_account("a late checkpoint revives", &PERIODS, 2_000, host::<account::LateCheckpointRevives>),
    of_account("holds never expire", &CRASHES, 100, host::<account::HoldsNeverExpire>),
    of_account("a release refunds twice", &CALM_WORLD, 100, host::<account::ReleaseRefundsTwice>),
    of_account("a replayed reserve opens again", &REPEATS, 500, host::<account::ReplayedReserveOpensAgain>),
    of_account(
        "a repeated reserve reserves again",
        &REPEATS,
        500,
        host::<account::RepeatedReserveReservesAgain>,
    ),
    of_account("settles above its hold", &CALM_WORLD, 100, host::<account::SettlesAboveItsHold>),
    of_account("a repeated top-up counts", &REPEATS, 100, host::<account::RepeatedTopUpCounts>),
    of_account("admits without open holds", &CONTENTION, 100, host::<account::AdmitsWithoutOpenHolds>),
    of_account("an expiry tells nobody", &CRASHES, 100, host::<account::ExpiryTellsNobody>),
    of_account("a late settle charges again", &PERIODS, 1_000, host::<account::LateSettleChargesAgain>),
    of_account("shrinks holds", &CALM_WORLD, 100, host::<account::ShrinksHolds>),
    of_account("charges the new period", &PERIODS, 200, host::<account::ChargesTheNewPeriod>),
    of_account("refuses what fits", &CONTENTION, 100, host::<account::RefusesWhatFits>),
    of_account("keeps its time to itself", &CLOCKS, 100, host::<account::KeepsItsTimeToItself>),
    of_account("time goes back", &PERIODS, 500, host::<account::TimeGoesBack>),
    of_account("grants are relative", &CONTENTION, 500, host::<share::RelativeGrant>),
    of_account("gives back without a new epoch", &CONTENTION, 500, host::<share::GivesBackWithoutNewEpoch>),
    of_account("recalls below what is needed", &CONTENTION, 500, host::<share::RecallsBelowWhatIsNeeded>),
    of_account("permits count twice", &CONTENTION, 2_000, host::<share::PermitsCountTwice>),
    of_account("charges the tenant's new period", &CRASHES, 300, host::<share::ChargesTheTenantsNewPeriod>),
    of_account("a key's meter is not released", &CALM_WORLD, 100, host::<share::KeyMeterIsNotReleased>),
    of_account("a reset mixes a key's holds", &BACKLOG, 500, host::<share::ResetMixesAKeysHolds>),
    of_account("a reset keeps a key's holds", &PERIODS, 2_000, host::<share::ResetKeepsAKeysHolds>),
    of_account("a refund is taken twice", &REPEATS, 500, host::<share::RefundIsTakenTwice>),
    of_account("a notice is raised twice", &CONTENTION, 200, host::<share::NoticeIsRaisedTwice>),
    of_account("a key's notice is lost", &CONTENTION, 200, host::<account::KeysNoticeIsLost>),
    of_account("credits go to the plan", &REPEATS, 1_000, host::<account::CreditsGoToThePlan>),
    of_account("keys have no budget", &CONTENTION, 200, host::<share::KeysHaveNoBudget>),
    of_account("revoked keys go on", &CONTENTION, 2_000, host::<limits::RevokedKeysGoOn>),
    of_account("tokens are free again", &CONTENTION, 1_000, host::<limits::TokensAreFreeAgain>),
    of_account("keys keep their limits", &CONTENTION, 500, host::<limits::KeysKeepTheirLimits>),
    of_account("spends what it gave back", &CONTENTION, 2_000, host::<limits::SpendsWhatItGaveBack>),
    of_pool("tokens are not counted", &CONTENTION, 2_000, pool::<limits::TokensAreNotCounted>),
    of_pool("an old epoch lowers", &CONTENTION, 2_000, pool::<pool::OldEpochLowers>),
    of_pool("a late want lowers", &CONTENTION, 500, pool::<pool::LateWantLowers>),
    of_pool("grants when over", &CONTENTION, 200, pool::<pool::GrantsWhenOver>),
    of_pool("short though there is money", &CALM_WORLD, 200, pool::<pool::ShortThoughThereIsMoney>),
    of_host("forgets a pool's lease", &CONTENTION, 500, HostFlaw::ForgetsAPoolsLease),
    of_host("steps on a stale copy", &CONTENTION, 100, HostFlaw::StepsOnAStaleCopy),
    of_host("acknowledges before it delivers", &BACKLOG, 100, HostFlaw::AcknowledgesBeforeItDelivers),
    of_host("stores state without events", &CRASHES, 200, HostFlaw::StoresStateWithoutEvents),
    of_host("tears its store", &CRASHES, 500, HostFlaw::TearsItsStore),
    of_host("replies before it stores", &CRASHES, 200, HostFlaw::RepliesBeforeItStores),
    of_host("forgets background tasks", &CALM_WORLD, 100, HostFlaw::ForgetsBackgroundTasks),
    of_host("loses webhooks", &CONTENTION, 200, HostFlaw::LosesWebhooks),
    of_host("signs no webhooks", &CONTENTION, 200, HostFlaw::SignsNoWebhooks),
];
