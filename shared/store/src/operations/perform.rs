//! From the order to the account's answer, as often as it takes.

use super::{Done, Operation, OperationKind, Recorded};
use crate::{ledger, reset_views};
use core::time::Duration;
use domain::account::{Command, OPERATION_MEMORY, Refusal, Reply};
use domain::time::Timestamp;
use platform::{AtomicState, Clock, Database, PlatformError, Statement};

/// Whoever ordered it is still waiting for the answer.
const IN_FLIGHT: Duration = Duration::from_secs(60);
/// The account's memory of an id begins when it takes effect, by the account's own clock: this is for clocks that
/// differ.
const MEMORY_MARGIN: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Performed {
    /// Ordered for the first time.
    New(Done),
    /// Ordered before; nothing changed.
    Repeated(Done),
    /// Recorded, and the account could not be asked: repeat it, or leave it to the scheduler.
    Pending(PlatformError),
    /// The id names another operation of this account.
    OtherContent,
}

/// Makes the operation take effect once, however often it is ordered. Fails when it could not even be recorded;
/// it may have been, so repeat it under the same id.
pub async fn perform(
    platform: &(impl Database + AtomicState + Clock),
    operation: &Operation,
) -> Result<Performed, PlatformError> {
    let now = platform.now();
    let (recorded, repeated) = match super::find(platform, operation.id()).await? {
        Some(recorded) => (recorded, true),
        None => {
            platform.commit(super::record(operation, now)).await?;
            // Of two at once, one was recorded.
            let recorded = super::find(platform, operation.id()).await?;
            (recorded.ok_or_else(|| PlatformError::malformed("a recorded operation is gone"))?, false)
        }
    };
    if !recorded.operation.means(operation) {
        return Ok(Performed::OtherContent);
    }
    if let Some(done) = recorded.done {
        return Ok(Performed::Repeated(done));
    }
    match attempt(platform, &recorded, now).await {
        Ok((done, false)) if !repeated => Ok(Performed::New(done)),
        Ok((done, _)) => Ok(Performed::Repeated(done)),
        Err(error) => Ok(Performed::Pending(error)),
    }
}

/// What one slice did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenSlice {
    pub finished: usize,
    /// Those that stay open. Together with `finished` fewer than the limit: there were no more.
    pub failed: Vec<PlatformError>,
}

/// Tries open operations again, those first whose last attempt is longest ago. At most `limit`, with at most ten
/// questions to the host for each.
pub async fn finish_open_slice(
    platform: &(impl Database + AtomicState + Clock),
    limit: i64,
) -> Result<OpenSlice, PlatformError> {
    let now = platform.now();
    let open = super::open(platform, now.minus(IN_FLIGHT), limit).await?;
    let mut slice = OpenSlice::default();
    for recorded in &open {
        match attempt(platform, recorded, now).await {
            Ok(_) => slice.finished += 1,
            Err(error) => {
                platform.commit(vec![super::tried(&recorded.operation, now)]).await?;
                slice.failed.push(error);
            }
        }
    }
    Ok(slice)
}

/// Asks the account and notes its answer; whether it knew the operation already.
async fn attempt(
    platform: &(impl Database + AtomicState + Clock),
    recorded: &Recorded,
    now: Timestamp,
) -> Result<(Done, bool), PlatformError> {
    let operation = &recorded.operation;
    if now >= recorded.recorded_at.plus(OPERATION_MEMORY - MEMORY_MARGIN) {
        // It may have taken effect and been forgotten: a person must look at the account.
        return Err(PlatformError::malformed(format!("operation {} is open for too long", operation.id())));
    }
    let reply = ledger::ask(platform, operation.account, operation.command()).await?;
    let (settled, repeated) = match reply {
        Some(Reply::Settled(settled)) => (settled, false),
        Some(Reply::Repeated(settled)) => (settled, true),
        Some(Reply::Refused(Refusal::Closed)) => return refuse(platform, operation, "closed", now).await,
        Some(Reply::Refused(Refusal::TooManyResets)) => {
            return refuse(platform, operation, "too_many_resets", now).await;
        }
        Some(Reply::Refused(Refusal::DoesNotFit(most))) => {
            return refuse(platform, operation, &super::does_not_fit(most), now).await;
        }
        None => return refuse(platform, operation, "no_such_user", now).await,
        Some(other) => return Err(PlatformError::malformed(format!("the account answered {other:?}"))),
    };
    let done = Done::TookEffect { charged: settled.charged, remaining: settled.remaining };
    let mut notes = super::note(operation, &done, now);
    notes.extend(new_view(platform, operation).await);
    // It took effect, noted or not: the scheduler asks again and notes it.
    let _ = platform.commit(notes).await;
    Ok((done, repeated))
}

/// A reset may end the period at another time than before, if the user's rule was changed within it.
async fn new_view(
    platform: &(impl Database + AtomicState + Clock),
    operation: &Operation,
) -> Option<Statement> {
    if operation.kind != OperationKind::Reset {
        return None;
    }
    match ledger::ask(platform, operation.account, Command::Inspect).await {
        Ok(Some(Reply::Balance(balance))) => {
            Some(reset_views::set_told(&[(operation.account, balance.resets_at)]))
        }
        _ => None,
    }
}

/// A refusal counts once it is noted: until then a repetition might find the account willing.
async fn refuse(
    platform: &(impl Database + Clock),
    operation: &Operation,
    refusal: &str,
    now: Timestamp,
) -> Result<(Done, bool), PlatformError> {
    platform.commit(super::note(operation, &Done::Refused(refusal.into()), now)).await?;
    let done = super::find(platform, operation.id()).await?.and_then(|recorded| recorded.done);
    done.map(|done| (done, false)).ok_or_else(|| PlatformError::malformed("a noted answer is gone"))
}
