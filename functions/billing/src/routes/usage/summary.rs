use crate::caller::{Caller, Scope as KeyScope};
use crate::{usage_filter, usage_view};
use bytes::Bytes;
use core::time::Duration;
use domain::time::Timestamp;
use http::{Request, Response, StatusCode};
use http_api::{Failure, Problem, Query, json};
use platform::{Body, Platform};
use serde_json::{Value, json as object};
use store::usage_retention::DAYS_MIN;
use store::usage_rollups::{self, DAY, HOUR, day_of, hour_of};
use store::usage_summary::{self, Group, Period, Point, PointCursor, Question};

const POINTS_DEFAULT: usize = 200;
const POINTS_MAX: usize = 1_000;
const PARAMETERS: &[&str] = &["by", "group", "user_id", "tenant_id", "from", "to", "limit", "cursor"];
/// Periods of one question.
const DAYS_MAX: u32 = 400;
const HOURS_MAX: u32 = 744;

/// `GET /api/usage/summary?by=day|hour&group=model|user|provider&user_id=&tenant_id=&from=&to=&limit=&cursor=`:
/// sums per UTC period and group, in this order. `from` and `to` are widened to whole periods; absent, they are
/// the last 30 days, or 24 hours. Hours are kept for [`DAYS_MIN`] days at least, so older ones are refused.
/// `as_of`: rows of this hour and later may be missing; null: none that arrived is.
pub async fn summary(platform: &impl Platform, request: &Request<Bytes>) -> Result<Response<Body>, Failure> {
    let (caller, query) = Caller::asking(platform, request, KeyScope::UsageRead, PARAMETERS).await?;
    let (by, period) = word(&query, "by", [("day", Period::Day), ("hour", Period::Hour)])?;
    let groups = [("model", Group::Model), ("user", Group::User), ("provider", Group::Provider)];
    let (group_name, group) = word(&query, "group", groups)?;
    let limit = query.count("limit", POINTS_MAX)?.unwrap_or(POINTS_DEFAULT);
    let cursor = usage_filter::cursor(&query, PointCursor::parse)?;
    let (from, to) = range(&query, period, platform.now())?;
    let scope = usage_filter::scope(platform, &caller, &query).await?;
    let question = Question { scope: &scope, period, group, from, to };
    let mut points = usage_summary::page(platform, question, cursor.as_ref(), limit as i64 + 1).await?;
    let more = points.len() > limit;
    points.truncate(limit);
    let dirty = usage_rollups::dirty_since(platform).await?.filter(|since| *since < to);
    let body = object!({
        "by": by,
        "group": group_name,
        "from": from.to_rfc3339(),
        "to": to.to_rfc3339(),
        "as_of": dirty.map(Timestamp::to_rfc3339),
        "points": points.iter().map(view).collect::<Vec<_>>(),
        "next_cursor": points.last().filter(|_| more).map(|point| PointCursor::of(point).to_string()),
    });
    Ok(json(StatusCode::OK, &body))
}

fn view(point: &Point) -> Value {
    let mut view = usage_view::measures(&point.measures);
    view.insert("period".into(), point.period.to_rfc3339().into());
    view.insert("name".into(), point.name.as_str().into());
    view.into()
}

/// One of a few words, the first if absent.
fn word<T: Copy, const N: usize>(
    query: &Query,
    name: &str,
    words: [(&'static str, T); N],
) -> Result<(&'static str, T), Problem> {
    let asked = query.get(name).unwrap_or(words[0].0);
    words.into_iter().find(|(word, _)| *word == asked).ok_or_else(|| {
        let words = words.map(|(word, _)| word).join("`, `");
        Problem::invalid_field(name, format!("`{name}` must be one of `{words}`."))
    })
}

fn range(query: &Query, period: Period, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    type Start = fn(Timestamp) -> Timestamp;
    let (length, start_of, max, default): (Duration, Start, u32, u32) = match period {
        Period::Hour => (HOUR, hour_of, HOURS_MAX, 24),
        Period::Day => (DAY, day_of, DAYS_MAX, 30),
    };
    let end_of = |at: Timestamp| if start_of(at) == at { at } else { start_of(at).plus(length) };
    let to = end_of(query.instant("to")?.unwrap_or(now));
    let from = query.instant("from")?.map_or_else(|| to.minus(length * default), start_of);
    usage_filter::check_order(from, to)?;
    if to.since(from) > length * max {
        let message = format!("`from` must not be more than {max} of these periods before `to`.");
        return Err(Problem::invalid_field("from", message));
    }
    if period == Period::Hour && from < now.minus(DAY * DAYS_MIN) {
        let message =
            format!("`from` must not be more than {DAYS_MIN} days ago. Ask for older usage `by=day`.");
        return Err(Problem::invalid_field("from", message));
    }
    Ok((from, to))
}
