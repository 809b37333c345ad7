//! Whose usage is asked for, and which: the query parameters that list, export and summary share.

use crate::caller::{Caller, no_such_user};
use domain::account::RowKind;
use domain::time::Timestamp;
use http_api::{Failure, Problem, Query};
use platform::Platform;
use store::usage_arrivals::Whose;
use store::usage_report::{Filter, Scope};

const KINDS: [RowKind; 4] = [RowKind::Call, RowKind::Correction, RowKind::Report, RowKind::Adjustment];

/// A user's rows, if one is named; else the tenant's, which for a key of one tenant is its own.
pub async fn scope(platform: &impl Platform, caller: &Caller, query: &Query) -> Result<Scope, Failure> {
    let Whose { tenant_id, user } = whose(platform, caller, query).await?;
    Ok(user.map_or(Scope::Tenant(tenant_id), Scope::User))
}

/// The same, with the user's tenant.
pub async fn whose(platform: &impl Platform, caller: &Caller, query: &Query) -> Result<Whose, Failure> {
    let tenant = query.get("tenant_id");
    if let Some(user_id) = query.get("user_id") {
        let (account, own_tenant) = caller.account(platform, user_id).await?;
        if let Some(tenant) = tenant
            && caller.tenant(platform, tenant).await?.id != own_tenant
        {
            return Err(no_such_user().into());
        }
        return Ok(Whose { tenant_id: own_tenant, user: Some(account) });
    }
    let tenant = tenant.or(caller.tenant_id()).ok_or_else(|| {
        Problem::invalid_field("user_id", "Name whose usage to list: `user_id` or `tenant_id` is missing.")
    })?;
    Ok(Whose { tenant_id: caller.tenant(platform, tenant).await?.id, user: None })
}

/// `from`, `to` (exclusive), `model`, `kind`, `tag`. Each may be absent; a malformed one is refused by name.
pub fn filter(query: &Query) -> Result<Filter, Problem> {
    let from = query.instant("from")?.unwrap_or(Filter::ALL.from);
    let to = query.instant("to")?.unwrap_or(Filter::ALL.to);
    check_order(from, to)?;
    let kind = query.get("kind");
    if kind.is_some_and(|kind| !KINDS.iter().any(|known| known.as_str() == kind)) {
        let kinds = KINDS.map(RowKind::as_str).join("`, `");
        return Err(Problem::invalid_field("kind", format!("`kind` must be one of `{kinds}`.")));
    }
    let text = |name| query.text(name).map(|text| text.map(str::to_owned));
    Ok(Filter { from, to, model: text("model")?, kind: kind.map(str::to_owned), tag: text("tag")? })
}

pub fn check_order(from: Timestamp, to: Timestamp) -> Result<(), Problem> {
    if from < to { Ok(()) } else { Err(Problem::invalid_field("from", "`from` must be before `to`.")) }
}

/// `after`, the number of a row's arrival.
pub fn after(query: &Query) -> Result<Option<u64>, Problem> {
    let Some(text) = query.get("after") else { return Ok(None) };
    if query.get("cursor").is_some() {
        let message = "`cursor` walks from new to old and `after` in order of arrival. Send one of them.";
        return Err(Problem::invalid_field("cursor", message));
    }
    let number = text.parse().ok().filter(|number| *number < 1 << 53);
    number.ok_or_else(wrong_after).map(Some)
}

/// `after` is not a number that was given.
pub fn wrong_after() -> Problem {
    Problem::invalid_field("after", "`after` must be 0, or the `next_after` of an earlier answer.")
}

/// `cursor`, as `parse` reads it.
pub fn cursor<T>(query: &Query, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let Some(text) = query.get("cursor") else { return Ok(None) };
    let wrong = || Problem::invalid_field("cursor", "`cursor` must be the `next_cursor` of an earlier page.");
    parse(text).ok_or_else(wrong).map(Some)
}
