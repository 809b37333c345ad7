use crate::caller::{Caller, Scope};
use crate::routes::provider_bills::day_of;
use bytes::Bytes;
use domain::reconciliation::{self, Drift, Line};
use domain::time::Timestamp;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Problem, Query, json};
use platform::{Body, Platform};
use serde_json::{Value, json as object};
use store::provider_bills::{self, Range};
use store::usage_rollups::{self, DAY};

/// Days of one report.
const DAYS_MAX: u32 = 92;
const PARAMETERS: &[&str] = &["from", "to", "provider"];
/// Items of one report and side.
const ITEMS_MAX: usize = 10_000;

/// `GET /api/reconciliation?from=2027-01-01&to=2027-01-31&provider=`: our provider cost per UTC day, provider
/// and model against the imported bills; both days are included. Amounts are nano-dollars as texts, `drift` is
/// the bill less ours, `alert` where it is beyond 0.1 % of the bill. A side that does not know an item is null.
/// `as_of`: calls of this hour and later may be missing on our side; null: none is. For platform-wide keys.
pub async fn show(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let (caller, query) = Caller::asking(platform, request, Scope::ReconciliationRead, PARAMETERS).await?;
    caller.check_platform_wide()?;
    let (from, last) = (day(&query, "from")?, day(&query, "to")?);
    let to = last.plus(DAY);
    if from >= to || to.since(from) > DAY * DAYS_MAX {
        let message = format!("`from` must not be after `to`, nor more than {DAYS_MAX} days before it.");
        return Err(Problem::invalid_field("from", message).into());
    }
    let range = Range { from, to, provider: query.text("provider")? };
    let ours = provider_bills::ours(platform, range, ITEMS_MAX + 1).await?;
    let theirs = provider_bills::theirs(platform, range, ITEMS_MAX + 1).await?;
    if ours.len() > ITEMS_MAX || theirs.len() > ITEMS_MAX {
        let message = format!("There are more than {ITEMS_MAX} items. Ask for fewer days or one `provider`.");
        return Err(Problem::invalid_field("from", message).into());
    }
    let report = reconciliation::reconcile(ours, theirs);
    let dirty = usage_rollups::dirty_since(platform).await?.filter(|since| *since < to);
    let body = object!({
        "from": date(from),
        "to": date(last),
        "as_of": dirty.map(Timestamp::to_rfc3339),
        "items": report.lines.iter().map(line_view).collect::<Vec<_>>(),
        "total": compared(Some(report.ours), Some(report.theirs), &report.drift),
        "alert": report.drift.alert || report.lines.iter().any(|line| line.drift.alert),
    });
    Ok(json(StatusCode::OK, &body))
}

fn day(query: &Query, name: &str) -> Result<Timestamp, Problem> {
    let wrong = || Problem::invalid_field(name, format!("`{name}` must be a UTC day like `2027-01-31`."));
    query.get(name).and_then(day_of).ok_or_else(wrong)
}

fn date(day: Timestamp) -> String {
    day.to_rfc3339().chars().take(10).collect()
}

fn line_view(line: &Line) -> Value {
    let mut view = compared(line.ours, line.theirs, &line.drift);
    view["day"] = date(line.item.day).into();
    view["provider"] = line.item.provider.as_str().into();
    view["model"] = line.item.model.as_str().into();
    view
}

fn compared(ours: Option<i128>, theirs: Option<i128>, drift: &Drift) -> Value {
    object!({
        "ours_nano_usd": ours.map(|amount| amount.to_string()),
        "theirs_nano_usd": theirs.map(|amount| amount.to_string()),
        "drift_nano_usd": drift.nano_usd.to_string(),
        "drift_basis_points": drift.basis_points.map(|points| points.to_string()),
        "alert": drift.alert,
    })
}
