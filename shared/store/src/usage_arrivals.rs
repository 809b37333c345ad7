//! Usage rows in the order in which they arrived: for whoever polls them.
//!
//! A row bears the time of its call and may arrive later than others of a later time; its number says when it arrived.

use crate::usage_report::{EXAMINED_MAX, Filter, UsageEntry, of_row};
use domain::identity::AccountId;
use platform::{Database, PlatformError, Statement};

/// As many numbers as rows follow in the same commit. A repetition leaves a gap.
pub(crate) fn take_numbers(rows: usize) -> Statement {
    Statement::new("UPDATE usage_arrivals SET last = last + ?1").bind(i64::try_from(rows).unwrap_or(i64::MAX))
}

/// Whose rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whose {
    pub tenant_id: String,
    /// Only this user of the tenant.
    pub user: Option<AccountId>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Arrivals {
    /// The earliest first.
    pub rows: Vec<UsageEntry>,
    /// The number up to which everything has been looked at; where it was, if nothing is new.
    pub next: u64,
    /// Whether there may be more already.
    pub more: bool,
}

/// The number at which a page ends at the latest, read from the index alone.
const LAST: &str = "
SELECT MAX(arrived) AS last, COUNT(*) AS examined, (SELECT last FROM usage_arrivals) AS given FROM (
  SELECT arrived FROM usage_logs WHERE tenant_id = ?1 AND arrived > ?2 ORDER BY arrived LIMIT ?3)";

/// `+` keeps the index of times out of it.
const PAGE: &str = "
SELECT * FROM usage_logs
WHERE tenant_id = ?1 AND arrived > ?2 AND arrived <= ?3
  AND (?5 IS NULL OR +account_id = ?5) AND +at >= ?6 AND +at < ?7
  AND (?8 IS NULL OR model = ?8) AND (?9 IS NULL OR kind = ?9)
  AND (?10 IS NULL OR EXISTS (SELECT 1 FROM json_each(usage_logs.tags) AS tag WHERE tag.value = ?10))
ORDER BY arrived LIMIT ?4";

/// At most `limit` rows that arrived after the number `after`. Two statements, one if nothing has arrived. With a
/// user or a filter a page looks at [`EXAMINED_MAX`] rows of the tenant at most. None when no row has had the number
/// `after` yet: it is not of this database, and rows would be missed.
pub async fn page(
    database: &impl Database,
    whose: &Whose,
    filter: &Filter,
    after: u64,
    limit: usize,
) -> Result<Option<Arrivals>, PlatformError> {
    let limit_rows = i64::try_from(limit).unwrap_or(i64::MAX);
    let all = whose.user.is_none() && *filter == Filter::ALL;
    let examine = if all { limit_rows } else { EXAMINED_MAX };
    let after_number = i64::try_from(after).unwrap_or(i64::MAX);
    let statement = Statement::new(LAST).bind(whose.tenant_id.as_str()).bind(after_number).bind(examine);
    let found = database.query(statement).await?;
    let found = found.first().ok_or_else(|| PlatformError::malformed("no row came back"))?;
    if crate::unsigned(found, "given")? < after {
        return Ok(None);
    }
    let Some(last) = crate::optional_unsigned(found, "last")? else {
        return Ok(Some(Arrivals { rows: Vec::new(), next: after, more: false }));
    };
    let mut more = found.integer("examined")? >= examine;
    let last_number = i64::try_from(last).unwrap_or(i64::MAX);
    let page = Statement::new(PAGE)
        .bind(whose.tenant_id.as_str())
        .bind(after_number)
        .bind(last_number)
        .bind(limit_rows.saturating_add(1))
        .bind(whose.user.map(|user| user.to_string()))
        .bind(filter.from.as_millis())
        .bind(filter.to.as_millis())
        .bind(filter.model.clone())
        .bind(filter.kind.clone())
        .bind(filter.tag.clone());
    let rows = database.query(page).await?;
    let mut next = last;
    if rows.len() > limit {
        more = true;
        next = rows.get(limit.saturating_sub(1)).map_or(Ok(after), |row| crate::unsigned(row, "arrived"))?;
    }
    let rows = rows.iter().take(limit).map(of_row).collect::<Result<_, _>>()?;
    Ok(Some(Arrivals { rows, next, more }))
}

#[cfg(test)]
mod tests;
