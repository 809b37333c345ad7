//! Usage rows in the order in which they arrived: for whoever polls them.
//!
//! A row bears the time of its call and may arrive later than others of a later time; its number says when it arrived.

use crate::usage_logs::BATCH_ROWS_MAX;
use crate::usage_report::{EXAMINED_MAX, Filter, UsageEntry, of_row};
use domain::identity::AccountId;
use platform::{Database, PlatformError, Statement};

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

/// The tenant's last number, and that at which a page ends at the latest: with a whole batch, and with the first one at
/// least.
const END: &str = "
SELECT (SELECT MAX(last) FROM usage_batches WHERE tenant_id = ?1) AS given,
  (SELECT MAX(last) FROM usage_batches WHERE tenant_id = ?1 AND last <= ?3 + (
    SELECT MIN(last) FROM usage_batches WHERE tenant_id = ?1 AND last > ?2)) AS last";

/// Batches in their order, and the rows at the places of each in theirs, in which JSON is read. `+` keeps the one way
/// to them.
const PAGE: &str = "
SELECT own.* FROM usage_batches AS batch
CROSS JOIN json_each(batch.places) AS place
CROSS JOIN usage_logs AS own
  ON own.account_id = batch.account_id AND own.at = place.value ->> 0
    AND own.request_id = place.value ->> 1 AND own.kind = place.value ->> 2
WHERE batch.tenant_id = ?1 AND batch.last > ?2 AND batch.last <= ?3
  AND (?5 IS NULL OR batch.account_id = ?5) AND batch.first + place.key > ?2
  AND own.arrived = batch.first + place.key AND own.tenant_id = ?1
  AND +own.at >= ?6 AND +own.at < ?7
  AND (?8 IS NULL OR own.model = ?8) AND (?9 IS NULL OR +own.kind = ?9)
  AND (?10 IS NULL OR EXISTS (SELECT 1 FROM json_each(own.tags) AS tag WHERE tag.value = ?10))
ORDER BY batch.last LIMIT ?4";

/// A page looks at the rest of the first batch and as many numbers after it.
const AFTER_FIRST: i64 = EXAMINED_MAX - BATCH_ROWS_MAX as i64;

/// At most `limit` rows that arrived after the number `after`. Two statements, one if nothing has arrived. A page looks
/// at [`EXAMINED_MAX`] rows of the tenant at most. None when no row has had the number `after` yet: it is not of this
/// database, and rows would be missed.
pub async fn page(
    database: &impl Database,
    whose: &Whose,
    filter: &Filter,
    after: u64,
    limit: usize,
) -> Result<Option<Arrivals>, PlatformError> {
    let after_number = i64::try_from(after).unwrap_or(i64::MAX);
    let end = Statement::new(END).bind(whose.tenant_id.as_str()).bind(after_number).bind(AFTER_FIRST);
    let end = database.query(end).await?;
    let end = end.first().ok_or_else(|| PlatformError::malformed("no row came back"))?;
    let given = crate::optional_unsigned(end, "given")?.unwrap_or(0);
    if given < after {
        return Ok(None);
    }
    let Some(last) = crate::optional_unsigned(end, "last")? else {
        return Ok(Some(Arrivals { rows: Vec::new(), next: after, more: false }));
    };
    let page = Statement::new(PAGE)
        .bind(whose.tenant_id.as_str())
        .bind(after_number)
        .bind(i64::try_from(last).unwrap_or(i64::MAX))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1))
        .bind(whose.user.map(|user| user.to_string()))
        .bind(filter.from.as_millis())
        .bind(filter.to.as_millis())
        .bind(filter.model.clone())
        .bind(filter.kind.clone())
        .bind(filter.tag.clone());
    let rows = database.query(page).await?;
    let (mut next, mut more) = (last, last < given);
    if rows.len() > limit {
        more = true;
        next = rows.get(limit.saturating_sub(1)).map_or(Ok(after), |row| crate::unsigned(row, "arrived"))?;
    }
    let rows = rows.iter().take(limit).map(of_row).collect::<Result<_, _>>()?;
    Ok(Some(Arrivals { rows, next, more }))
}

#[cfg(test)]
mod tests;
