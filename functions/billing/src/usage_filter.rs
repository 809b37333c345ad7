//! Whose usage is asked for, and which: the query parameters that list, export and summary share.

use crate::caller::{Caller, no_such_user};
use bytes::Bytes;
use domain::account::RowKind;
use domain::time::Timestamp;
use http::Request;
use http_api::{Failure, Problem, TEXT_MAX, query_parameter};
use platform::Platform;
use store::usage_arrivals::Whose;
use store::usage_report::{Filter, Scope};

const KINDS: [RowKind; 4] = [RowKind::Call, RowKind::Correction, RowKind::Report, RowKind::Adjustment];

/// A user's rows, if one is named; else the tenant's, which for a key of one tenant is its own.
pub async fn scope(
    platform: &impl Platform,
    caller: &Caller,
    request: &Request<Bytes>,
) -> Result<Scope, Failure> {
    let Whose { tenant_id, user } = whose(platform, caller, request).await?;
    Ok(user.map_or(Scope::Tenant(tenant_id), Scope::User))
}

/// The same, with the user's tenant.
pub async fn whose(
    platform: &impl Platform,
    caller: &Caller,
    request: &Request<Bytes>,
) -> Result<Whose, Failure> {
    let tenant = query_parameter(request.uri(), "tenant_id");
    if let Some(user_id) = query_parameter(request.uri(), "user_id") {
        let (account, own_tenant) = caller.account(platform, &user_id).await?;
        if let Some(tenant) = tenant
            && caller.tenant(platform, &tenant).await?.id != own_tenant
        {
            return Err(no_such_user().into());
        }
        return Ok(Whose { tenant_id: own_tenant, user: Some(account) });
    }
    let tenant = tenant.as_deref().or(caller.tenant_id()).ok_or_else(|| {
        Problem::invalid_field("user_id", "Name whose usage to list: `user_id` or `tenant_id` is missing.")
    })?;
    Ok(Whose { tenant_id: caller.tenant(platform, tenant).await?.id, user: None })
}

/// `from`, `to` (exclusive), `model`, `kind`, `tag`. Each may be absent; a malformed one is refused by name.
pub fn filter(request: &Request<Bytes>) -> Result<Filter, Problem> {
    let from = instant(request, "from")?.unwrap_or(Filter::ALL.from);
    let to = instant(request, "to")?.unwrap_or(Filter::ALL.to);
    check_order(from, to)?;
    let kind = query_parameter(request.uri(), "kind");
    if kind.as_deref().is_some_and(|kind| !KINDS.iter().any(|known| known.as_str() == kind)) {
        let kinds = KINDS.map(RowKind::as_str).join("`, `");
        return Err(Problem::invalid_field("kind", format!("`kind` must be one of `{kinds}`.")));
    }
    Ok(Filter { from, to, model: text(request, "model")?, kind, tag: text(request, "tag")? })
}

pub fn check_order(from: Timestamp, to: Timestamp) -> Result<(), Problem> {
    if from < to { Ok(()) } else { Err(Problem::invalid_field("from", "`from` must be before `to`.")) }
}

pub fn instant(request: &Request<Bytes>, name: &str) -> Result<Option<Timestamp>, Problem> {
    let Some(text) = query_parameter(request.uri(), name) else { return Ok(None) };
    let instant = Timestamp::parse_rfc3339(&text).filter(|at| (Timestamp::EPOCH..Filter::END).contains(at));
    let wrong = || {
        let message = format!("`{name}` must be an RFC 3339 instant like `2027-01-31T12:00:00Z`.");
        Problem::invalid_field(name, message)
    };
    instant.ok_or_else(wrong).map(Some)
}

fn text(request: &Request<Bytes>, name: &str) -> Result<Option<String>, Problem> {
    let text = query_parameter(request.uri(), name);
    if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > TEXT_MAX) {
        let message = format!("`{name}` must be a text of 1 to {TEXT_MAX} bytes.");
        return Err(Problem::invalid_field(name, message));
    }
    Ok(text)
}

/// `limit`, a whole number from 1 to `max`.
pub fn limit(request: &Request<Bytes>, default: usize, max: usize) -> Result<usize, Problem> {
    let Some(text) = query_parameter(request.uri(), "limit") else { return Ok(default) };
    let limit = text.parse().ok().filter(|limit| (1..=max).contains(limit));
    limit.ok_or_else(|| {
        Problem::invalid_field("limit", format!("`limit` must be a whole number from 1 to {max}."))
    })
}

/// `after`, the number of a row's arrival.
pub fn after(request: &Request<Bytes>) -> Result<Option<u64>, Problem> {
    let Some(text) = query_parameter(request.uri(), "after") else { return Ok(None) };
    if query_parameter(request.uri(), "cursor").is_some() {
        let message = "`cursor` walks from new to old and `after` in order of arrival. Send one of them.";
        return Err(Problem::invalid_field("cursor", message));
    }
    let number = text.parse().ok().filter(|number| *number < 1 << 53);
    let wrong =
        || Problem::invalid_field("after", "`after` must be 0, or the `next_after` of an earlier answer.");
    number.ok_or_else(wrong).map(Some)
}

/// `cursor`, as `parse` reads it.
pub fn cursor<T>(request: &Request<Bytes>, parse: impl Fn(&str) -> Option<T>) -> Result<Option<T>, Problem> {
    let Some(text) = query_parameter(request.uri(), "cursor") else { return Ok(None) };
    let wrong = || Problem::invalid_field("cursor", "`cursor` must be the `next_cursor` of an earlier page.");
    parse(&text).ok_or_else(wrong).map(Some)
}
