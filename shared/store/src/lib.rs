//! SQL, one file per table, over `platform::Database`.
//!
//! Reads are async functions. Writes are [`platform::Statement`]s, so that a handler commits the ones that
//! belong together in one transaction.

pub mod api_keys;
pub mod audit_log;
pub mod configuration;
pub mod deliveries;
pub mod first_admin;
pub mod first_rows;
pub mod idempotent_requests;
mod key_hash;
pub mod leases;
pub mod ledger;
pub mod login_attempts;
pub mod notices;
pub mod operations;
pub mod outbox_mails;
pub mod pending_pushes;
#[cfg(test)]
mod plan;
pub mod products;
pub mod provider_bills;
pub mod pruning;
pub mod reset_views;
pub mod routing_snapshots;
#[cfg(test)]
mod schedule_plans;
pub mod schedules;
pub mod service_keys;
pub mod sessions;
pub mod stripe_events;
pub mod tenant_pools;
pub mod tenants;
pub mod usage_arrivals;
mod usage_batches;
pub mod usage_logs;
pub mod usage_measures;
#[cfg(test)]
mod usage_paging;
pub mod usage_report;
pub mod usage_retention;
pub mod usage_rollups;
mod usage_spans;
pub mod usage_summary;
pub mod usage_totals;
pub mod users;
pub mod webhook_endpoints;

use domain::account::ModelAccess;
use domain::time::Timestamp;
use platform::{PlatformError, Row};

/// The list of model names that stands for all of them.
const ALL_MODELS: &str = "all";

fn instant(row: &Row, column: &str) -> Result<Timestamp, PlatformError> {
    Ok(Timestamp::from_millis(row.integer(column)?))
}

fn unsigned(row: &Row, column: &str) -> Result<u64, PlatformError> {
    u64::try_from(row.integer(column)?).map_err(|_| malformed(column))
}

fn optional_unsigned(row: &Row, column: &str) -> Result<Option<u64>, PlatformError> {
    row.optional_integer(column)?.map(u64::try_from).transpose().map_err(|_| malformed(column))
}

fn texts(row: &Row, column: &str) -> Result<Vec<String>, PlatformError> {
    serde_json::from_str(row.text(column)?).map_err(|_| malformed(column))
}

fn malformed(column: &str) -> PlatformError {
    PlatformError::malformed(format!("column {column} holds what it must not"))
}

/// Whether a change states something that is not so already. `current` states everything.
fn is_stated_otherwise<T: PartialEq>(change: &Option<T>, current: &Option<T>) -> bool {
    change.is_some() && change != current
}

/// A list as it is stored: JSON.
fn list_text(list: &[String]) -> String {
    serde_json::Value::from(list).to_string()
}

fn model_access(row: &Row, column: &str) -> Result<ModelAccess, PlatformError> {
    let names = texts(row, column)?;
    Ok(if names.iter().any(|name| name == ALL_MODELS) { ModelAccess::All } else { ModelAccess::Only(names) })
}
